//! Lineage by OpenLineage (<https://openlineage.io/spec/2-0-2/OpenLineage.json>): a run for each step on each file, from the
//! file to the tables and the quarantine.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::delivery::{Delivery, Send, agent, post};
use super::ended::{Ended, step};
use crate::config::{Config, LineageEndpoint, LineageTarget};
use crate::manifest::{Entry, State};
use crate::store::{Store, readings_table};

/// A backend that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const PRODUCER: &str = concat!("urn:iotpipe:", env!("CARGO_PKG_VERSION"));
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

pub(super) struct Lineage {
    namespace: String,
    data: PathBuf,
    database: Database,
    /// The table of the readings.
    readings: &'static str,
    delivery: Delivery,
}

/// How datasets of the database are named (<https://openlineage.io/docs/spec/naming>).
struct Database {
    namespace: String,
    prefix: String,
}

impl Lineage {
    pub(super) fn start(to: &LineageEndpoint, store: &Store, config: &Config) -> std::io::Result<Lineage> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Lineage {
            namespace: to.namespace.clone(),
            data: absolute(&config.paths.data),
            database: Database::of(store),
            readings: readings_table(&config.contract),
            delivery: Delivery::start("lineage", sender(to))?,
        })
    }

    pub(super) fn end(&self, deadline: Instant) {
        self.delivery.end(deadline);
    }

    pub(super) fn began(&self, file: &Entry, target: State) {
        self.tell("START", file, target, None);
    }

    pub(super) fn ended(&self, file: &Entry, target: State, end: &Ended<'_>) {
        let event = match end {
            Ended::Reached { .. } | Ended::Duplicate => "COMPLETE",
            Ended::Refused(_) | Ended::Failed { .. } => "FAIL",
            Ended::LetGo(_) => "ABORT",
        };
        self.tell(event, file, target, Some(end));
    }

    fn tell(&self, event: &str, file: &Entry, target: State, end: Option<&Ended<'_>>) {
        let engine = json!({ "name": "iotpipe", "version": env!("CARGO_PKG_VERSION") });
        let mut run = json!({ "processing_engine": facet("1-1-1", "ProcessingEngineRunFacet", engine) });
        if let Some(Ended::Refused(why) | Ended::Failed { why, .. } | Ended::LetGo(why)) = end {
            let message = json!({ "message": why, "programmingLanguage": "Rust" });
            run["errorMessage"] = facet("1-0-1", "ErrorMessageRunFacet", message);
        }
        let kind = json!({ "processingType": "BATCH", "integration": "IOTPIPE", "jobType": "TASK" });
        let job = json!({ "jobType": facet("2-0-3", "JobTypeJobFacet", kind) });
        self.delivery.offer(json!({
            "eventType": event,
            "eventTime": Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            "producer": PRODUCER,
            "schemaURL": EVENT,
            "run": { "runId": run_id(file, target), "facets": run },
            "job": { "namespace": self.namespace, "name": format!("iotpipe.{}", step(file, target)), "facets": job },
            "inputs": [self.input(file, end)],
            "outputs": self.outputs(target, end),
        }));
    }

    fn input(&self, file: &Entry, end: Option<&Ended<'_>>) -> Value {
        let mut facets = json!({});
        if let Some(Ended::Reached { tally, broken, .. }) = end {
            let metrics = json!({ "rowCount": tally.total, "bytes": file.size, "columnMetrics": {} });
            facets["dataQualityMetrics"] = facet("1-0-2", "DataQualityMetricsInputDatasetFacet", metrics);
            let assertion = |(rule, count): (&&str, &u64)| json!({ "assertion": rule, "success": false, "expected": "0", "actual": count.to_string() });
            let assertions: Vec<Value> = broken.iter().map(assertion).collect();
            let assertions = json!({ "assertions": assertions });
            facets["dataQualityAssertions"] = facet("1-1-0", "DataQualityAssertionsDatasetFacet", assertions);
        }
        json!({ "namespace": "file", "name": self.data.join(&file.source), "inputFacets": facets })
    }

    fn outputs(&self, target: State, end: Option<&Ended<'_>>) -> Vec<Value> {
        let mut outputs = match target {
            State::Loaded => vec![self.table(self.readings), self.table("sensor_aggregates")],
            State::Aggregated => vec![self.table("file_aggregates")],
            _ => Vec::new(),
        };
        match end {
            Some(Ended::Reached { tally, quarantine, .. }) => {
                if target == State::Loaded {
                    // Bytes are those of the source: what they take in the database nobody knows.
                    outputs[0]["outputFacets"]["outputStatistics"] = statistics(tally.loaded);
                }
                let aside = tally.total - tally.loaded;
                if target != State::Aggregated && aside > 0 {
                    let name = std::path::absolute(quarantine).unwrap_or_else(|_| quarantine.to_path_buf());
                    let facets = json!({ "outputStatistics": statistics(aside) });
                    outputs.push(json!({ "namespace": "file", "name": name, "outputFacets": facets }));
                }
            }
            // Nothing of it is in a table.
            Some(Ended::Duplicate | Ended::Refused(_) | Ended::Failed { .. } | Ended::LetGo(_)) => outputs.clear(),
            None => {}
        }
        outputs
    }

    fn table(&self, table: &str) -> Value {
        let Database { namespace, prefix } = &self.database;
        json!({ "namespace": namespace, "name": format!("{prefix}{table}"), "outputFacets": {} })
    }
}

impl Database {
    fn of(store: &Store) -> Database {
        let place = store.place();
        if store.is_embedded() {
            let path = std::path::absolute(place).unwrap_or_else(|_| place.into());
            return Database { namespace: "sqlite".to_owned(), prefix: format!("{}.", path.display()) };
        }
        let (host, database) = place.rsplit_once('/').unwrap_or((place, ""));
        let schema = store.schema_name().unwrap_or_else(|| "public".to_owned());
        Database { namespace: format!("postgres://{host}"), prefix: format!("{database}.{schema}.") }
    }
}

fn facet(version: &str, name: &str, mut content: Value) -> Value {
    content["_producer"] = PRODUCER.into();
    content["_schemaURL"] = format!("https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}").into();
    content
}

fn statistics(rows: i64) -> Value {
    facet("1-0-2", "OutputStatisticsOutputDatasetFacet", json!({ "rowCount": rows }))
}

/// The same for all events of one attempt: a claim's number is given once.
fn run_id(file: &Entry, target: State) -> String {
    let named = format!("{}\n{}\n{}\n{}", file.origin, file.id, file.claim_no, step(file, target));
    let hash = Sha256::digest(named);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn sender(to: &LineageEndpoint) -> Send {
    match to.target.clone() {
        LineageTarget::File(path) => Box::new(move |events| append(&path, &events).map_err(|e| e.to_string())),
        LineageTarget::Http(url) => {
            let (agent, headers) = (agent(PATIENCE), to.headers.clone());
            Box::new(move |events| events.iter().try_for_each(|event| post(&agent, &url, &headers, event)))
        }
    }
}

/// One line an event, each in one piece: other processes may write to the same file.
fn append(path: &Path, events: &[Value]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    file.write_all(lines.as_bytes())
}
