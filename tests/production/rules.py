"""What must hold of the objects in k8s/ beyond the API's schemas. Each rule gives its findings as lines of text."""
import re

from rendered import containers, template

WORKLOADS = {"Deployment", "Job", "CronJob"}
# The least and the most of minute, hour, day, month and weekday.
CRON_FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def findings(objects, secrets):
    """All rules over all objects of an overlay; `secrets` are the names and keys that the installation brings."""
    found = []
    for one in objects:
        where = f"{one['kind']}/{one['metadata']['name']}"
        rules = [cron(one), enumerations(one), selectors(one, objects)]
        if one["kind"] in WORKLOADS:
            pod = template(one)["spec"]
            rules += [restart(one, pod), confinement(template(one)), references(pod, objects, secrets), health(one, pod)]
        found += [f"{where}: {finding}" for rule in rules for finding in rule]
    return found


def cron(one):
    if one["kind"] != "CronJob":
        return
    fields = one["spec"]["schedule"].split()
    if len(fields) != 5:
        yield f"schedule {one['spec']['schedule']!r} has {len(fields)} fields, not 5"
    for field, (low, high) in zip(fields, CRON_FIELDS):
        if not all(cron_part(part, low, high) for part in field.split(",")):
            yield f"schedule: {field!r} is no number, range or step within {low}-{high}"


def cron_part(part, low, high):
    shape = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
    if not shape:
        return False
    first, last, step = (None if number is None else int(number) for number in shape.groups())
    within = all(low <= number <= high for number in (first, last) if number is not None)
    return within and step != 0 and (first is None or last is None or first <= last)


def enumerations(one):
    """Values that the schemas hold for mere strings."""
    allowed = {
        "concurrencyPolicy": {"Allow", "Forbid", "Replace"},
        "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
        "fsGroupChangePolicy": {"Always", "OnRootMismatch"},
        "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
        "restartPolicy": {"Always", "OnFailure", "Never"},
        "protocol": {"TCP", "UDP", "SCTP"},
        "action": {"FailJob", "FailIndex", "Ignore", "Count"},
        "operator": {"In", "NotIn", "Exists", "DoesNotExist"},
        "dnsPolicy": {"ClusterFirst", "Default", "ClusterFirstWithHostNet", "None"},
    }
    for key, value in leaves(one):
        if key in allowed and value not in allowed[key]:
            yield f"{key}: {value!r} is none of {', '.join(sorted(allowed[key]))}"
        if key == "accessModes" and value not in {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}:
            yield f"accessModes: {value!r}"


def leaves(node, key=None):
    if isinstance(node, dict):
        for name, below in node.items():
            yield from leaves(below, name)
    elif isinstance(node, list):
        for below in node:
            yield from leaves(below, key)
    else:
        yield key, node


def restart(one, pod):
    """A Job's pods may not be Always, a Deployment's must; podFailurePolicy asks for Never."""
    policy = pod.get("restartPolicy", "Always")
    if one["kind"] == "Deployment" and policy != "Always":
        yield f"restartPolicy {policy} in a Deployment"
    if one["kind"] != "Deployment":
        job = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
        if policy == "Always" or ("podFailurePolicy" in job and policy != "Never"):
            yield f"restartPolicy {policy} in a Job{' with a podFailurePolicy' if 'podFailurePolicy' in job else ''}"


def confinement(pod_template):
    """The restricted profile of Kubernetes, and a root file system that nobody writes to."""
    pod = pod_template["spec"]
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot") or not context.get("runAsUser"):
        yield "runAsNonRoot and a runAsUser other than 0 are missing"
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "no seccompProfile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token of the cluster would be mounted"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "the host's network or processes are shared"
    for container in containers(pod_template):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']}: allowPrivilegeEscalation must be false, readOnlyRootFilesystem true"
        if own.get("capabilities", {}) != {"drop": ["ALL"]} or own.get("privileged"):
            yield f"{container['name']}: capabilities must be dropped, all of them"
        if not container.get("resources", {}).get("requests") or "memory" not in container["resources"].get("limits", {}):
            yield f"{container['name']}: requests and a limit of memory are missing"
        tag = container["image"].rsplit("/", 1)[-1].partition(":")[2]
        if tag in {"", "latest"}:
            yield f"{container['name']}: {container['image']} names no version"


def references(pod, objects, secrets):
    """What a pod names must be there: volumes, claims, ConfigMaps, Secrets and their keys, ports, the service account."""
    named = {(o["kind"], o["metadata"]["name"]) for o in objects}
    if ("ServiceAccount", pod.get("serviceAccountName")) not in named:
        yield f"no ServiceAccount {pod.get('serviceAccountName')}"
    for volume in pod.get("volumes", []):
        config, claim = volume.get("configMap"), volume.get("persistentVolumeClaim")
        if config and ("ConfigMap", config["name"]) not in named:
            yield f"no ConfigMap {config['name']}"
        if claim and ("PersistentVolumeClaim", claim["claimName"]) not in named:
            yield f"no PersistentVolumeClaim {claim['claimName']}"
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod.get("initContainers", []) + pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{container['name']}: no volume {mount['name']}"
        for variable in container.get("env", []):
            wanted = variable.get("valueFrom", {}).get("secretKeyRef")
            if wanted and wanted["key"] not in secrets.get(wanted["name"], {}):
                yield f"{container['name']}: no Secret {wanted['name']} with the key {wanted['key']}"


def health(one, pod):
    """What goes on for ever is asked whether it is alive and ready, on ports that it has; and it may stop in peace."""
    if pod.get("terminationGracePeriodSeconds", 30) <= 10:
        yield "the program takes up to 10 seconds to stop: terminationGracePeriodSeconds must be longer"
    for container in pod["containers"]:
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in container and one["kind"] == "Deployment":
                yield f"{container['name']}: no {probe}"
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if port is not None and port not in ports:
                yield f"{container['name']}: {probe} asks the port {port}, which is not there"


def selectors(one, objects):
    """A selector must select something."""
    spec = one.get("spec", {})
    selector = spec.get("selector") or spec.get("podSelector")
    if not isinstance(selector, dict) or "matchLabels" not in selector:
        return
    pods = [template(o)["metadata"].get("labels", {}) for o in objects if o["kind"] in WORKLOADS]
    pods = [template(one)["metadata"].get("labels", {})] if one["kind"] == "Deployment" else pods
    if not any(selector["matchLabels"].items() <= labels.items() for labels in pods):
        yield f"the selector {selector['matchLabels']} selects no pod"
