"""iotpipe in pods of a cluster: the same steps, each in the image, confined as k8s/ confines it.

Needs k8s/base in the cluster: its namespace, volumes, service account, contract and Secret. IOTPIPE_IMAGE names the image,
IOTPIPE_CONFIG_MAP the ConfigMap with the contract (`kubectl -n iotpipe get configmap`).
"""

import os
from datetime import datetime

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from airflow.sdk import dag
from iotpipe_steps import DEFAULTS, NOTHING_TO_DO, SCHEDULE
from kubernetes.client import models as k8s

IMAGE = os.environ.get("IOTPIPE_IMAGE", "ghcr.io/iotpipe/iotpipe:0.1.0")
CONFIG_MAP = os.environ.get("IOTPIPE_CONFIG_MAP", "iotpipe-contract")
CLAIMS = ["data", "processed", "quarantine"]


def pod(step, *flags):
    """A step in a pod of its own. Exit code 99 skips; counts are in the log's last line, as no pod of ours has a side-car."""
    return KubernetesPodOperator(
        task_id=step,
        name=f"iotpipe-{step}",
        namespace="iotpipe",
        image=IMAGE,
        arguments=["--config", "/etc/iotpipe/iotpipe.toml", "--log-format", "json", "--output", "json", step, *flags],
        secrets=[Secret("env", "DATABASE_URL", "iotpipe", "DATABASE_URL")],
        service_account_name="iotpipe",
        automount_service_account_token=False,
        labels={"app.kubernetes.io/name": "iotpipe", "app.kubernetes.io/component": step},
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=65532,
            run_as_group=65532,
            fs_group=65532,
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        container_security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "500m", "memory": "64Mi"}, limits={"memory": "384Mi"}
        ),
        volumes=[
            k8s.V1Volume(name="contract", config_map=k8s.V1ConfigMapVolumeSource(name=CONFIG_MAP)),
            k8s.V1Volume(name="logs", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit="256Mi")),
            *(
                k8s.V1Volume(
                    name=name,
                    persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name=f"iotpipe-{name}"),
                )
                for name in CLAIMS
            ),
        ],
        volume_mounts=[
            k8s.V1VolumeMount(name="contract", mount_path="/etc/iotpipe", read_only=True),
            *(k8s.V1VolumeMount(name=name, mount_path=f"/var/lib/iotpipe/{name}") for name in [*CLAIMS, "logs"]),
        ],
        skip_on_exit_code=NOTHING_TO_DO,
        termination_grace_period=30,
        on_finish_action="delete_succeeded_pod",
        get_logs=True,
    )


@dag(
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["iotpipe"],
    doc_md=__doc__,
)
def iotpipe_pods():
    pod("scan", "--skip-if-empty") >> pod("validate") >> pod("aggregate") >> pod("load")


iotpipe_pods()
