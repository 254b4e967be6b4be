//! Traces, as a collector of OpenTelemetry takes them: one a file, a span a step, the database's below.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::on_both_databases;
use crate::support::{Answer, Db, Outcome, Receiver, World, free_address, telemetry};

on_both_databases!(one_trace_a_file, steps_of_several_processes_meet, a_file_that_is_refused);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn run(world: &World, args: &[&str], endpoint: &str) -> Outcome {
    let mut command = world.command(args);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b,x-other=c");
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    Outcome::of(args, command)
}

/// Every span that came; by the protocol's own types.
fn spans(receiver: &Receiver) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in receiver.received() {
        assert_eq!(request.path, "/v1/traces");
        assert!(
            request.headers.contains("x-key: a b") && request.headers.contains("x-other: c"),
            "{}",
            request.headers
        );
        let request: ExportTraceServiceRequest = serde_json::from_value(request.body).unwrap();
        for resource in request.resource_spans {
            let attributes = resource.resource.as_ref().unwrap().attributes.clone();
            let names: BTreeSet<String> = attributes.into_iter().map(|attribute| attribute.key).collect();
            let expected = ["deployment.environment.name", "service.name", "service.version"];
            assert!(names.iter().eq(expected.iter()), "{names:?}");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key}: {other:?}"),
    }
}

/// The spans by file: each file has one trace.
fn by_file(spans: &[Span]) -> BTreeMap<String, Vec<Span>> {
    let mut files = BTreeMap::new();
    for root in spans.iter().filter(|span| span.parent_span_id.is_empty()) {
        let of_trace = spans.iter().filter(|span| span.trace_id == root.trace_id).cloned().collect::<Vec<_>>();
        assert!(files.insert(attribute(root, "iotpipe.file").unwrap(), of_trace).is_none(), "two roots");
    }
    assert_eq!(files.values().map(Vec::len).sum::<usize>(), spans.len(), "each span is below a file");
    files
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name:?}: {:?}", names(spans)));
    assert!(found.next().is_none(), "two spans {name:?}");
    span
}

fn names(spans: &[Span]) -> Vec<&str> {
    let mut names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn one_trace_a_file(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.file("b.csv", telemetry("pump-2", START, 30));
    run(&world, &["run"], &format!("http://{}", receiver.address)).expect_code(0);
    let files = by_file(&spans(&receiver));
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a.csv", "b.csv"]);
    let (rows, system) = match db {
        Db::Postgres => ("COPY iot_raw_data", "postgresql"),
        Db::Sqlite => ("INSERT iot_raw_data", "sqlite"),
    };
    for (name, spans) in &files {
        let expected = ["COMMIT", rows, "INSERT file_aggregates", "UPDATE manifest", "file", "load", "pass", "scan"];
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(names(spans), expected, "{name}");
        let (root, load, pass) = (named(spans, "file"), named(spans, "load"), named(spans, "pass"));
        assert!(root.parent_span_id.is_empty());
        assert_eq!((&load.parent_span_id, &named(spans, "scan").parent_span_id), (&root.span_id, &root.span_id));
        assert_eq!(attribute(load, "iotpipe.rows.total").unwrap(), if name == "a.csv" { "20" } else { "30" });
        for below in [pass, named(spans, rows), named(spans, "COMMIT")] {
            assert_eq!(below.parent_span_id, load.span_id);
            assert!(load.start_time_unix_nano <= below.start_time_unix_nano);
            assert!(below.start_time_unix_nano <= below.end_time_unix_nano);
            assert!(below.end_time_unix_nano <= load.end_time_unix_nano);
        }
        let database = named(spans, rows);
        assert_eq!(database.kind, 3, "a client");
        assert_eq!(attribute(database, "db.system.name").as_deref(), Some(system));
        assert_eq!(attribute(database, "db.collection.name").as_deref(), Some("iot_raw_data"));
        assert_eq!(attribute(database, "db.operation.name").as_deref(), rows.split(' ').next());
        assert!(attribute(database, "db.namespace").is_some());
        assert_eq!(attribute(database, "server.port").is_some(), db == Db::Postgres);
        assert!(spans.iter().all(|span| span.status.as_ref().is_none_or(|status| status.code == 0)));
    }
}

fn steps_of_several_processes_meet(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", telemetry("pump-1", START, 20));
    for step in ["scan", "validate", "aggregate", "load"] {
        run(&world, &[step], &format!("http://{}/", receiver.address)).expect_code(0);
    }
    let files = by_file(&spans(&receiver));
    let root = named(&files["a.csv"], "file");
    for step in ["scan", "validate", "aggregate", "load"] {
        assert_eq!(named(&files["a.csv"], step).parent_span_id, root.span_id);
    }
}

fn a_file_that_is_refused(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", "ts,co\n1,2\n");
    run(&world, &["run"], &format!("http://{}", receiver.address)).expect_code(0);
    let spans = spans(&receiver);
    for name in ["load", "file"] {
        let status = named(&spans, name).status.clone().unwrap();
        assert!(status.code == 2 && status.message.contains("missing_column"), "{status:?}");
    }
}

/// Whatever the other side does, files are loaded, at once and with the exit code that they have.
#[test]
fn a_collector_that_is_no_help_costs_nothing() {
    let hangs = Receiver::start(Answer::Hangs);
    let fails = Receiver::start(Answer::Fails);
    let nobody = free_address();
    for address in [hangs.address, fails.address, nobody] {
        let world = World::new(Db::Sqlite);
        for i in 0..300 {
            world.file(format!("{i}.csv"), telemetry(&format!("pump-{i}"), START, 5));
        }
        let began = Instant::now();
        let mut command = world.command(&["run", "--output", "json"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
        command.env("OPENLINEAGE_URL", format!("http://{address}"));
        let outcome = Outcome::of(&["run"], command).expect_code(0);
        assert!(began.elapsed() < Duration::from_secs(20), "{address}: {:?}", began.elapsed());
        assert_eq!(outcome.count("loaded"), 1500);
        outcome.expect_stderr(&["messages of traces were dropped", "messages of lineage were dropped"]);
        assert_eq!(world.stored(), 1500);
    }
    let world = World::new(Db::Sqlite);
    run(&world, &["run"], "collector:4317").expect_code(2).expect_stderr(&["OTEL_EXPORTER_OTLP_ENDPOINT", "http://"]);
}
