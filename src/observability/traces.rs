//! Traces by OpenTelemetry: one a file, a span a step, spans of the database below. Their identity follows from the file,
//! so that steps of several processes meet in one trace. They are sent as OTLP/HTTP in JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>); names are those of the semantic conventions.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::delivery::{Delivery, agent, post};
use super::ended::{Ended, is_looked_at_again, step};
use crate::config::TraceEndpoint;
use crate::manifest::{Entry, State};
use crate::store::{Store, StoreError, readings_table};
use iotpipe_core::contract::Contract;

/// A collector that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Kinds of spans, by the protocol's numbers.
const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
/// Files that are followed at once; more than a group and its successors have.
const MOST_FILES: usize = 4096;

/// A file as a look at the folder found it.
#[derive(Debug, Clone, Copy)]
pub struct ScannedFile<'a> {
    /// Path below `data/`.
    pub source: &'a str,
    /// Hash (hex) of its bytes.
    pub sha256: &'a str,
    /// Last change, microseconds since 1970.
    pub modified_at: i64,
}

/// A part of a step: all that was done under one name.
#[derive(Debug, Clone)]
pub(super) struct Part {
    name: &'static str,
    is_of_database: bool,
    began: u64,
    ended: u64,
    times: u64,
    error: Option<PartError>,
}

/// What went wrong in a part.
#[derive(Debug, Clone)]
struct PartError {
    kind: &'static str,
    /// The database's own code.
    code: Option<String>,
    message: String,
}

impl PartError {
    fn of(error: &StoreError) -> PartError {
        PartError { kind: error.kind(), code: error.code().map(str::to_owned), message: error.to_string() }
    }
}

#[derive(Debug, Default)]
struct Followed {
    began: u64,
    parts: Vec<Part>,
}

pub(super) struct Traces {
    followed: Mutex<HashMap<i64, Followed>>,
    database: Vec<Value>,
    rows: &'static str,
    delivery: Delivery,
}

impl Traces {
    pub(super) fn start(to: &TraceEndpoint, store: &Store, contract: &Contract) -> std::io::Result<Traces> {
        let (url, headers) = (to.url.clone(), to.headers.clone());
        let resource: Vec<Value> = to.resource.iter().map(|(key, value)| text(key, value)).collect();
        let agent = agent(PATIENCE);
        let send = move |spans: Vec<Value>| {
            let scope = json!({ "name": "iotpipe", "version": env!("CARGO_PKG_VERSION") });
            let spans = json!([{ "scope": scope, "spans": spans }]);
            let body = json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": spans }] });
            post(&agent, &url, &headers, &body)
        };
        let delivery = Delivery::start("traces", Box::new(send))?;
        let rows = match (store.is_embedded(), readings_table(contract)) {
            (true, "iot_raw_values") => "INSERT iot_raw_values",
            (true, _) => "INSERT iot_raw_data",
            (false, "iot_raw_values") => "COPY iot_raw_values",
            (false, _) => "COPY iot_raw_data",
        };
        Ok(Traces { followed: Mutex::default(), database: attributes_of(store), rows, delivery })
    }

    pub(super) fn end(&self, deadline: Instant) {
        self.delivery.end(deadline);
    }

    pub(super) fn scanned(&self, origin: &str, file: ScannedFile<'_>, began: SystemTime) {
        let trace = Trace::of(origin, file, "");
        let attributes = vec![text("iotpipe.file", file.source)];
        self.delivery.offer(trace.span(
            "scan",
            INTERNAL,
            &span_id(),
            &trace.root,
            (nanoseconds(began), now()),
            attributes,
            None,
        ));
    }

    pub(super) fn began(&self, file: &Entry) {
        if let Ok(mut followed) = self.followed.lock()
            && followed.len() < MOST_FILES
        {
            followed.insert(file.id, Followed { began: now(), parts: Vec::new() });
        }
    }

    pub(super) fn measure<T>(&self, id: i64, name: &'static str, work: impl FnOnce() -> T) -> T {
        let began = now();
        let done = work();
        self.add(&[id], name, None, began);
        done
    }

    /// Notes that something was done for these files, from `began` until now; where the database did it, with how that ended.
    pub(super) fn add(
        &self,
        ids: &[i64],
        name: &'static str,
        by_database: Option<Result<(), &StoreError>>,
        began: u64,
    ) {
        let (ended, is_of_database) = (now(), by_database.is_some());
        let error = by_database.and_then(Result::err).map(PartError::of);
        let Ok(mut followed) = self.followed.lock() else { return };
        for id in ids {
            let Some(file) = followed.get_mut(id) else { continue };
            match file.parts.iter_mut().find(|part| part.name == name) {
                Some(part) => {
                    (part.ended, part.times) = (ended, part.times + 1);
                    part.error = error.clone().or(part.error.take());
                }
                None => {
                    file.parts.push(Part { name, is_of_database, began, ended, times: 1, error: error.clone() });
                }
            }
        }
    }

    pub(super) fn ended(&self, file: &Entry, target: State, end: &Ended<'_>) {
        let Some(followed) = self.followed.lock().ok().and_then(|mut all| all.remove(&file.id)) else { return };
        let sha256 = file.sha256.as_deref().unwrap_or_default();
        let modified_at = file.modified_at.timestamp_micros();
        let scanned = ScannedFile { source: &file.source, sha256, modified_at };
        let trace = Trace::of(&file.origin, scanned, &life(file));
        let (id, error) = (span_id(), error_of(end));
        let mut attributes = vec![text("iotpipe.file", &file.source), number("iotpipe.bytes", file.size)];
        if let Ended::Reached { tally, .. } = end {
            let counts = [("total", tally.total), ("rejected", tally.rejected), ("duplicate", tally.duplicate)];
            attributes.extend(counts.map(|(name, n)| number(&format!("iotpipe.rows.{name}"), n)));
        }
        for part in &followed.parts {
            let (kind, mut attributes) = (if part.is_of_database { CLIENT } else { INTERNAL }, Vec::new());
            if part.is_of_database {
                attributes.extend(self.database.iter().cloned());
                attributes.extend(statement(part.name));
            }
            if part.times > 1 {
                attributes.push(number("iotpipe.times", part.times as i64));
            }
            if let Some(PartError { kind, code, .. }) = &part.error {
                attributes.push(text("error.type", kind));
                attributes.extend(code.iter().map(|code| text("db.response.status_code", code)));
            }
            let (times, error) = ((part.began, part.ended), part.error.as_ref().map(|error| error.message.as_str()));
            self.delivery.offer(trace.span(part.name, kind, &span_id(), &id, times, attributes, error));
        }
        let times = (followed.began, now());
        self.delivery.offer(trace.span(step(file, target), INTERNAL, &id, &trace.root, times, attributes, error));
        let is_done = matches!(end, Ended::Reached { .. } if target == State::Loaded)
            || matches!(end, Ended::Duplicate | Ended::Refused(_) | Ended::Failed { is_last: true, .. })
            || is_looked_at_again(file);
        if is_done {
            let times = (since(file, followed.began), times.1);
            let attributes = vec![text("iotpipe.file", &file.source)];
            self.delivery.offer(trace.span("file", INTERNAL, &trace.root, "", times, attributes, error));
        }
    }

    /// How rows go in, and where.
    pub(super) fn rows(&self) -> &'static str {
        self.rows
    }
}

fn error_of<'a>(end: &Ended<'a>) -> Option<&'a str> {
    match end {
        Ended::Refused(why) | Ended::Failed { why, .. } => Some(why),
        Ended::Reached { .. } | Ended::Duplicate | Ended::LetGo(_) => None,
    }
}

/// What tells a file's later lives from its first, in the names of their traces: one that was closed and taken up again
/// (taken out, given up) begins anew, and so does each look at the rows of a loaded one.
fn life(file: &Entry) -> String {
    match taken_up_again(file) {
        _ if is_looked_at_again(file) => format!("recheck {}", file.claim_no),
        Some(closed_at) => closed_at.timestamp_micros().to_string(),
        None => String::new(),
    }
}

/// When the file was closed that is open again. What is discovered anew has its first life.
fn taken_up_again(file: &Entry) -> Option<DateTime<Utc>> {
    file.archived_at.filter(|closed_at| *closed_at > file.discovered_at)
}

/// When a life began: with the discovery, or with the first step of those that follow. In nanoseconds since 1970.
fn since(file: &Entry, step_began: u64) -> u64 {
    let nanoseconds = |at: DateTime<Utc>| at.timestamp_nanos_opt().unwrap_or_default().unsigned_abs();
    if is_looked_at_again(file) {
        return step_began;
    }
    match taken_up_again(file) {
        None => nanoseconds(file.discovered_at),
        Some(_) => file.validated_at.map_or(step_began, |at| nanoseconds(at).min(step_began)),
    }
}

/// Identity of a file's trace, and of the span above all others in it.
struct Trace {
    id: String,
    root: String,
}

impl Trace {
    fn of(origin: &str, file: ScannedFile<'_>, life: &str) -> Trace {
        let named = format!("{origin}\n{}\n{}\n{}\n{life}", file.source, file.sha256, file.modified_at);
        let hash = crate::source::hex(&Sha256::digest(named));
        Trace { id: hash[..32].to_owned(), root: hash[32..48].to_owned() }
    }

    #[expect(clippy::too_many_arguments, reason = "a span has so many parts")]
    fn span(
        &self,
        name: &str,
        kind: u8,
        id: &str,
        parent: &str,
        (began, ended): (u64, u64),
        attributes: Vec<Value>,
        error: Option<&str>,
    ) -> Value {
        let status = error.map_or(json!({}), |message| json!({ "code": 2, "message": message }));
        // 64 bits are text in the protocol's JSON.
        json!({
            "traceId": self.id, "spanId": id, "parentSpanId": parent, "name": name, "kind": kind,
            "startTimeUnixNano": began.to_string(), "endTimeUnixNano": ended.max(began).to_string(),
            "attributes": attributes, "status": status,
        })
    }
}

/// What a statement does, and to which table.
fn statement(name: &str) -> Vec<Value> {
    let mut attributes = vec![text("db.query.summary", name)];
    match name.split_once(' ') {
        Some((operation, table)) => {
            attributes.extend([text("db.operation.name", operation), text("db.collection.name", table)]);
        }
        None => attributes.push(text("db.operation.name", name)),
    }
    attributes
}

fn attributes_of(store: &Store) -> Vec<Value> {
    let place = store.place();
    if store.is_embedded() {
        return vec![text("db.system.name", "sqlite"), text("db.namespace", place)];
    }
    let (host, database) = place.rsplit_once('/').unwrap_or((place, ""));
    let (address, port) = host.rsplit_once(':').unwrap_or((host, "5432"));
    vec![
        text("db.system.name", "postgresql"),
        text("db.namespace", database),
        text("server.address", address.trim_matches(['[', ']'])),
        number("server.port", port.parse().unwrap_or(5432)),
    ]
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn span_id() -> String {
    format!("{:016x}", rand::random::<u64>().max(1))
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    nanoseconds(SystemTime::now())
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}
