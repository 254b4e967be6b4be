//! Lineage, as a backend of OpenLineage takes it: which file went to which tables, and what of it did not.

use serde_json::Value;

use crate::on_both_databases;
use crate::support::{Answer, Db, Outcome, Receiver, World, row, telemetry};

on_both_databases!(from_a_file_to_tables_and_quarantine, step_by_step, refused_and_failed, looked_at_again);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn run(world: &World, args: &[&str]) -> Outcome {
    let mut command = world.command(args);
    command.env("OPENLINEAGE_URL", "file://lineage.jsonl").env("OPENLINEAGE_NAMESPACE", "plant");
    Outcome::of(args, command)
}

fn events(world: &World) -> Vec<Value> {
    let text = String::from_utf8(world.read("lineage.jsonl")).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.iter().for_each(is_an_event);
    events
}

/// What `OpenLineage.json` 2-0-2 asks of a `RunEvent`, and of every facet in it.
fn is_an_event(event: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value} in {event}")).to_owned();
    assert!(text(&event["eventTime"]).parse::<jiff::Timestamp>().is_ok(), "{event}");
    assert!(["START", "COMPLETE", "FAIL", "ABORT"].contains(&text(&event["eventType"]).as_str()), "{event}");
    assert!(text(&event["producer"]).contains(':'));
    assert_eq!(text(&event["schemaURL"]), "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent");
    let run = text(&event["run"]["runId"]);
    assert!(run.len() == 36 && run.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{run}");
    for of in ["namespace", "name"] {
        text(&event["job"][of]);
    }
    for dataset in event["inputs"].as_array().unwrap().iter().chain(event["outputs"].as_array().unwrap()) {
        assert!(!text(&dataset["namespace"]).is_empty() && !text(&dataset["name"]).is_empty());
        [&dataset["inputFacets"], &dataset["outputFacets"]].into_iter().for_each(are_facets);
    }
    [&event["run"]["facets"], &event["job"]["facets"]].into_iter().for_each(are_facets);
}

fn are_facets(facets: &Value) {
    for (name, facet) in facets.as_object().into_iter().flatten() {
        let schema = facet["_schemaURL"].as_str().unwrap_or_default();
        assert!(
            schema.starts_with("https://openlineage.io/spec/facets/") && schema.ends_with("Facet"),
            "{name}: {facet}"
        );
        assert!(facet["_producer"].as_str().is_some_and(|producer| producer.starts_with("urn:")), "{name}: {facet}");
    }
}

fn output<'e>(event: &'e Value, part: &str) -> &'e Value {
    let mut outputs = event["outputs"].as_array().unwrap().iter();
    outputs.find(|o| o["name"].as_str().unwrap().contains(part)).unwrap_or_else(|| panic!("no {part} in {event}"))
}

fn from_a_file_to_tables_and_quarantine(db: Db) {
    let world = World::new(db);
    world.file("a.csv", format!("{}soon,pump-1,0,0,1,0,1,0,99\n", telemetry("pump-1", START, 20)));
    run(&world, &["run"]).expect_code(0);
    let events = events(&world);
    assert_eq!(events.iter().map(|e| e["eventType"].as_str().unwrap()).collect::<Vec<_>>(), ["START", "COMPLETE"]);
    let (start, complete) = (&events[0], &events[1]);
    assert_eq!(start["run"]["runId"], complete["run"]["runId"]);
    assert_eq!((&complete["job"]["namespace"], &complete["job"]["name"]), (&"plant".into(), &"iotpipe.load".into()));
    let input = &complete["inputs"][0];
    assert!(input["name"].as_str().unwrap().ends_with("/data/a.csv") && input["namespace"] == "file");
    assert_eq!(input["inputFacets"]["dataQualityMetrics"]["rowCount"], 21);
    let mut broken: Vec<String> = Vec::new();
    for assertion in input["inputFacets"]["dataQualityAssertions"]["assertions"].as_array().unwrap() {
        assert_eq!(assertion["success"], false);
        let text = |key: &str| assertion[key].as_str().unwrap().to_owned();
        broken.push(format!("{} {}", text("assertion"), text("actual")));
    }
    let counted = world.lines("SELECT rule, sum(count) FROM file_rejections GROUP BY rule ORDER BY rule");
    assert_eq!(broken, counted.iter().map(|line| line.replace('|', " ")).collect::<Vec<_>>());
    assert_eq!(broken, ["bad_timestamp 1", "out_of_range 1"]);
    assert_eq!(output(complete, "iot_raw_data")["outputFacets"]["outputStatistics"]["rowCount"], 20);
    output(complete, "sensor_aggregates");
    let quarantine = output(complete, ".rejected.csv");
    assert_eq!(quarantine["outputFacets"]["outputStatistics"]["rowCount"], 1);
    assert!(std::path::Path::new(quarantine["name"].as_str().unwrap()).exists(), "{quarantine}");
    if db == Db::Postgres {
        assert!(output(complete, "iot_raw_data")["namespace"].as_str().unwrap().starts_with("postgres://"));
        assert!(output(complete, "iot_raw_data")["name"].as_str().unwrap().ends_with(".public.iot_raw_data"));
        assert!(!world.url().contains(output(complete, "iot_raw_data")["namespace"].as_str().unwrap()), "no user");
    }
}

fn step_by_step(db: Db) {
    let world = World::new(db);
    world.file("a.csv", format!("{}{}\n", telemetry("pump-1", START, 20), row(START, "pump-1", 9.5)));
    for step in ["scan", "validate", "aggregate", "load"] {
        run(&world, &[step]).expect_code(0);
    }
    world.file("b.csv", world.read("processed/a.csv"));
    run(&world, &["run"]).expect_code(0);
    let told: Vec<String> = events(&world)
        .iter()
        .map(|e| format!("{} {}", e["job"]["name"].as_str().unwrap(), e["eventType"].as_str().unwrap()))
        .collect();
    let expected = ["validate", "aggregate", "load", "load"];
    let expected: Vec<String> =
        expected.iter().flat_map(|s| ["START", "COMPLETE"].map(|e| format!("iotpipe.{s} {e}"))).collect();
    assert_eq!(told, expected, "the last one is a duplicate");
    assert_eq!(events(&world)[7]["outputs"], Value::Array(Vec::new()));
}

fn refused_and_failed(db: Db) {
    let world = World::new(db);
    world.file("a.csv", "ts,co\n1,2\n");
    world.file("b.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    std::fs::remove_file(world.path("data/b.csv")).unwrap();
    run(&world, &["load"]).expect_code(1);
    let events = events(&world);
    let failed: Vec<&Value> = events.iter().filter(|event| event["eventType"] == "FAIL").collect();
    assert_eq!((events.len(), failed.len()), (4, 2));
    for (event, why) in failed.iter().zip(["missing_column", "vanished"]) {
        let message = event["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        assert!(event["outputs"].as_array().unwrap().iter().all(|o| !o["name"].as_str().unwrap().contains("iot_raw")));
    }
}

/// A file of which more is loaded, since another was taken out, says so.
fn looked_at_again(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["run"]);
    world.file("b.csv", telemetry("pump-1", START, 30));
    world.ok(&["run"]);
    run(&world, &["unload", "processed/a.csv"]).expect_code(0);
    let events = events(&world);
    let (start, complete) = (&events[0], &events[1]);
    assert_eq!(events.len(), 2);
    assert_eq!((&start["eventType"], &complete["eventType"]), (&"START".into(), &"COMPLETE".into()));
    assert_eq!(
        (&start["run"]["runId"], &complete["job"]["name"]),
        (&complete["run"]["runId"], &"iotpipe.recheck".into())
    );
    assert!(complete["inputs"][0]["name"].as_str().unwrap().ends_with("/b.csv"));
    assert_eq!(output(complete, "iot_raw_data")["outputFacets"]["outputStatistics"]["rowCount"], 30);
}

#[test]
fn by_http_as_the_field_configures_it() {
    let world = World::new(Db::Sqlite);
    let receiver = Receiver::start(Answer::Takes);
    world.file("a.csv", telemetry("pump-1", START, 20));
    let mut command = world.command(&["run"]);
    command.env("OPENLINEAGE_URL", format!("http://{}/", receiver.address)).env("OPENLINEAGE_API_KEY", "s3cret");
    let outcome = Outcome::of(&["run"], command).expect_code(0);
    assert!(!outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert_eq!(request.path, "/api/v1/lineage");
        assert!(request.headers.contains("authorization: bearer s3cret"), "{}", request.headers);
        is_an_event(&request.body);
    }
    // By the configuration file, below its folder; switched off by the environment.
    world.config("[monitoring]\nlineage = \"events.jsonl\"\n");
    world.file("b.csv", telemetry("pump-2", START, 20));
    world.ok(&["run"]);
    assert_eq!(world.read("events.jsonl").iter().filter(|b| **b == b'\n').count(), 2);
    world.file("c.csv", telemetry("pump-3", START, 20));
    let mut command = world.command(&["run"]);
    command.env("OPENLINEAGE_DISABLED", "true");
    Outcome::of(&["run"], command).expect_code(0);
    assert_eq!(world.read("events.jsonl").iter().filter(|b| **b == b'\n').count(), 2);
}
