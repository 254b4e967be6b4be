#!/usr/bin/env python3
"""Makes the classes that OpenLineage generates from its JSON schema of every event in a file, and counts what was in them.

They know each field by its name and type of event, dataset and facet: one too many, one that lacks, a time or an identity
that is none, is an error. Run with openlineage-python: openlineage_events.py FILE.
"""
import collections
import json
import re
import sys

from openlineage.client import event_v2, facet_v2

# Facets, by the key under which the specification has them.
FACETS = {
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "dataQualityMetrics": facet_v2.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
    "dataQualityAssertions": facet_v2.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}


def main(path):
    seen = collections.Counter()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = read(json.loads(line))
            seen[event.eventType.value] += 1
            seen["assertions"] += sum(len(one.inputFacets["dataQualityAssertions"].assertions)
                                      for one in event.inputs if "dataQualityAssertions" in one.inputFacets)
            seen["quarantine"] += sum(one.name.endswith(".rejected.csv") for one in event.outputs)
    print(json.dumps(seen))


def read(event):
    run, job = event.pop("run"), event.pop("job")
    expect_schema(event_v2.RunEvent, event.pop("schemaURL"))
    return event_v2.RunEvent(
        eventType=event_v2.RunState[event.pop("eventType")],
        run=event_v2.Run(runId=run.pop("runId"), facets=facets(run.pop("facets")), **run),
        job=event_v2.Job(facets=facets(job.pop("facets")), **job),
        inputs=[event_v2.InputDataset(inputFacets=facets(one.pop("inputFacets")), **one) for one in event.pop("inputs")],
        outputs=[event_v2.OutputDataset(outputFacets=facets(one.pop("outputFacets")), **one) for one in event.pop("outputs")],
        **event)


def facets(found):
    return {key: facet(FACETS[key], content) for key, content in found.items()}


def facet(kind, content):
    expect_schema(kind, content.pop("_schemaURL"))
    if "assertions" in content:
        content["assertions"] = [facet_v2.data_quality_assertions_dataset.Assertion(**one) for one in content["assertions"]]
    return kind(producer=content.pop("_producer"), **content)


def expect_schema(kind, url):
    """The name and the major version; a later minor version adds fields that nobody has to send."""
    if without_minor(url) != without_minor(kind._get_schema()):
        raise SystemExit(f"{kind.__name__}: the schema is {url}, expected {kind._get_schema()}")


def without_minor(url):
    return re.sub(r"/(\d+)-\d+-\d+/", r"/\1/", url)


if __name__ == "__main__":
    main(sys.argv[1])
