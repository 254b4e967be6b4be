//! Traces, as a collector of OpenTelemetry takes them: one a file, a span a step, the database's below.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::on_both_databases;
use crate::support::{Answer, Db, Outcome, Receiver, World, free_address, telemetry};

on_both_databases!(
    one_trace_a_file,
    steps_of_several_processes_meet,
    a_file_that_is_refused,
    a_file_that_is_given_up,
    rows_of_the_long_layout,
    what_the_database_refuses,
    a_trace_for_each_life,
    rows_that_are_looked_at_again,
);

/// Names and values.
type Variables = [(&'static str, &'static str)];

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

/// A file whose attempts are used up has its trace, with every attempt in it.
fn a_file_that_is_given_up(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["scan"]);
    std::fs::remove_file(world.path("data/a.csv")).unwrap();
    run(&world, &["load"], &format!("http://{}", receiver.address)).expect_code(1);
    let spans = spans(&receiver);
    assert_eq!(names(&spans), ["file", "load"]);
    for span in &spans {
        let status = span.status.clone().unwrap();
        assert!(status.code == 2 && status.message.contains("vanished"), "{status:?}");
    }
}

/// The database's spans are about the table of the readings, whichever the contract declares.
fn rows_of_the_long_layout(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.config(
        "[contract]\nlayout = \"long\"\nmetric = \"metric\"\nvalue = \"value\"\n[[contract.sensor]]\nname = \"temp\"\ntype = \"float\"\n",
    );
    world.file("a.csv", format!("ts,device,metric,value\n{START},pump-1,temp,21.5\n"));
    run(&world, &["run"], &format!("http://{}", receiver.address)).expect_code(0);
    let spans = spans(&receiver);
    let rows = named(&spans, if db == Db::Postgres { "COPY iot_raw_values" } else { "INSERT iot_raw_values" });
    assert_eq!(attribute(rows, "db.collection.name").as_deref(), Some("iot_raw_values"));
}

/// A statement that the database refuses is an error of its span, and of the step's.
fn what_the_database_refuses(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["scan"]);
    world.execute("DROP TABLE file_aggregates");
    run(&world, &["load"], &format!("http://{}", receiver.address)).expect_code(1);
    let spans = spans(&receiver);
    // Statements may be sent ahead: the answer comes with a later one.
    let is_error = |span: &&Span| span.status.as_ref().is_some_and(|status| status.code == 2);
    let refused: Vec<&Span> = spans.iter().filter(is_error).filter(|span| span.kind == 3).collect();
    assert_eq!(refused.len(), 1, "{:?}", names(&spans));
    assert!(attribute(refused[0], "error.type").is_some_and(|kind| ["other", "unknown"].contains(&kind.as_str())));
    let code = if db == Db::Postgres { "42P01" } else { "1" };
    assert_eq!(attribute(refused[0], "db.response.status_code").as_deref(), Some(code));
    for span in [refused[0], named(&spans, "load")] {
        let status = span.status.clone().unwrap();
        assert!(status.code == 2 && status.message.contains("file_aggregates"), "{status:?}");
    }
    assert_eq!(attribute(named(&spans, "pass"), "error.type"), None);
}

/// A file that was closed and is taken up again has another trace, with a span above all others of its own.
fn a_trace_for_each_life(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    let endpoint = format!("http://{}", receiver.address);
    world.file("a.csv", telemetry("pump-1", START, 20));
    run(&world, &["run"], &endpoint).expect_code(0);
    for _ in 0..2 {
        world.ok(&["unload", "processed/a.csv", "--again"]);
        for step in ["validate", "load"] {
            run(&world, &[step], &endpoint).expect_code(0);
        }
    }
    let spans = spans(&receiver);
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 3, "{:?}", names(&spans));
    assert_eq!(roots.iter().map(|root| &root.trace_id).collect::<BTreeSet<_>>().len(), 3, "each has its own");
    for (root, steps) in roots.into_iter().zip([1, 2, 2]) {
        let below = spans.iter().filter(|span| span.parent_span_id == root.span_id && span.name != "scan");
        let below: Vec<&Span> = below.collect();
        assert_eq!(below.len(), steps, "{:?}", names(&spans));
        assert!(below.iter().all(|span| span.end_time_unix_nano <= root.end_time_unix_nano));
    }
}

/// A loaded file whose rows are looked at again, since another was taken out, is followed as any other step is.
fn rows_that_are_looked_at_again(db: Db) {
    let world = World::new(db);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["run"]);
    world.file("b.csv", telemetry("pump-1", START, 30));
    world.ok(&["run"]);
    assert_eq!(world.number("SELECT rows_loaded FROM manifest WHERE source = 'b.csv'"), 10);
    run(&world, &["unload", "processed/a.csv"], &format!("http://{}", receiver.address)).expect_code(0);
    assert_eq!(world.number("SELECT rows_loaded FROM manifest WHERE source = 'b.csv'"), 30);
    let spans = spans(&receiver);
    let (root, recheck) = (named(&spans, "file"), named(&spans, "recheck"));
    assert_eq!(attribute(root, "iotpipe.file").as_deref(), Some("b.csv"));
    assert_eq!((&recheck.parent_span_id, &recheck.trace_id), (&root.span_id, &root.trace_id));
    assert_eq!(attribute(recheck, "iotpipe.rows.total").as_deref(), Some("30"));
    for below in ["pass", "COMMIT", "UPDATE manifest"] {
        assert_eq!(named(&spans, below).parent_span_id, recheck.span_id, "{below}");
    }
}

/// Whatever the other side does, files are loaded, at once and with the exit code that they have.
#[test]
fn a_collector_that_is_no_help_costs_nothing() {
    let [hangs, fails, slow] = [Answer::Hangs, Answer::Fails, Answer::TakesTime].map(Receiver::start);
    let nobody = free_address();
    for address in [hangs.address, fails.address, slow.address, nobody] {
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
        let outcome = outcome.expect_stderr(&["messages of lineage were dropped"]);
        if address != slow.address {
            outcome.expect_stderr(&["messages of traces were dropped"]);
        }
        assert_eq!(world.stored(), 1500);
    }
    assert!(!slow.received().is_empty(), "what could be sent in time was");
}

/// What a platform sets for all that runs on it, and is of no use here, is said; files are loaded.
#[test]
fn an_endpoint_that_is_none_is_said_and_left() {
    let world = World::new(Db::Sqlite);
    let nobody = free_address();
    std::fs::create_dir(world.path("taken")).unwrap();
    let cases: [(&Variables, &[&str]); 5] = [
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")], &["OTEL_EXPORTER_OTLP_ENDPOINT", "http://"]),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b:s3cret@c/")], &["OTEL_EXPORTER_OTLP_ENDPOINT"]),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            &["OTEL_EXPORTER_OTLP_PROTOCOL", "gRPC"],
        ),
        (&[("OPENLINEAGE_URL", "ftp://x:s3cret@marquez")], &["OPENLINEAGE_URL"]),
        (&[("OPENLINEAGE_URL", "file://taken")], &["lineage can't be sent"]),
    ];
    for (i, (variables, said)) in cases.into_iter().enumerate() {
        world.file(format!("{i}.csv"), telemetry(&format!("pump-{i}"), START, 5));
        let mut command = world.command(&["run"]);
        command.envs(variables.iter().copied());
        let outcome = Outcome::of(&["run"], command).expect_code(0).expect_stderr(said);
        assert!(!outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains('\u{1b}'), "colours where nobody sees them: {:?}", outcome.stderr);
    }
    assert_eq!(world.stored(), 25);
    // Switched off, nobody is sent anything, and nothing is said.
    world.file("off.csv", telemetry("pump-off", START, 5));
    let mut command = world.command(&["run"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{nobody}")).env("OTEL_TRACES_EXPORTER", "none");
    let outcome = Outcome::of(&["run"], command).expect_code(0);
    assert!(!outcome.stderr.contains("traces"), "{}", outcome.stderr);
    // What the configuration file says is the operator's own: wrong there is wrong as asked.
    world.config("[monitoring]\nlineage = \"ftp://marquez\"\n");
    world.iotpipe(&["run"]).expect_code(2).expect_stderr(&["monitoring.lineage"]);
}
