"""The objects that kustomize makes of k8s/, and the containers in them as `docker run` takes them."""
import functools
import re
import shutil

import yaml

from machine import ROOT, go_program, run

KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
# The version of the API whose schemas hold.
API = "1.33"
OVERLAYS = ["cronjob", "loop", "steps"]
# The first version of kustomize's format with components and `labels.includeTemplates`.
OLDEST = (5, 0)


@functools.cache
def renderer():
    """`kubectl kustomize` where it is new enough, else kustomize itself."""
    if shutil.which("kubectl"):
        version = re.search(r"Kustomize Version: v(\d+)\.(\d+)", run("kubectl", "version", "--client").stdout)
        if version and tuple(map(int, version.groups())) >= OLDEST:
            return ("kubectl", "kustomize")
    return (go_program("kustomize", KUSTOMIZE), "build")


@functools.cache
def text(overlay):
    return run(*renderer(), ROOT / "k8s/overlays" / overlay).stdout


def objects(overlay):
    return [found for found in yaml.safe_load_all(text(overlay)) if found]


def find(overlay, kind, name="iotpipe"):
    return next(o for o in objects(overlay) if o["kind"] == kind and o["metadata"]["name"] == name)


def template(found):
    """The pod template of a Deployment, Job or CronJob."""
    spec = found["spec"]
    return (spec["jobTemplate"]["spec"] if found["kind"] == "CronJob" else spec)["template"]


def containers(pod):
    """A pod's containers in the order in which they start."""
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


class Pod:
    """A pod of a manifest, for a container engine: its command, environment, mounts and confinement are the manifest's."""

    def __init__(self, pod, config_maps, secrets, volumes, writable):
        """`secrets`: name → key → value; `volumes`: claim → folder; `writable`: a folder for what lives as long as the pod."""
        self.spec, self.config_maps, self.secrets = pod["spec"], config_maps, secrets
        self.sources = {}
        for volume in self.spec["volumes"]:
            self.sources[volume["name"]] = self.source(volume, volumes, writable)

    def source(self, volume, volumes, writable):
        if claim := volume.get("persistentVolumeClaim"):
            return volumes[claim["claimName"]]
        path = writable / volume["name"]
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
        if config := volume.get("configMap"):
            for name, content in self.config_maps[config["name"]].items():
                (path / name).write_text(content)
        return path

    def options(self, container):
        """What `docker run` is told of a container."""
        pod, own = self.spec["securityContext"], container["securityContext"]
        options = ["--user", f"{pod['runAsUser']}:{pod['runAsGroup']}"]
        if own["readOnlyRootFilesystem"]:
            options += ["--read-only"]
        if not own["allowPrivilegeEscalation"]:
            options += ["--security-opt", "no-new-privileges"]
        for capability in own["capabilities"]["drop"]:
            options += ["--cap-drop", capability]
        options += ["--memory", container["resources"]["limits"]["memory"].replace("Mi", "m")]
        for variable in container.get("env", []):
            options += ["--env", f"{variable['name']}={self.value(variable)}"]
        for mount in container["volumeMounts"]:
            mode = ":ro" if mount.get("readOnly") else ""
            options += ["--volume", f"{self.sources[mount['name']]}:{mount['mountPath']}{mode}"]
        return options

    def value(self, variable):
        if "value" in variable:
            return variable["value"]
        wanted = variable["valueFrom"]["secretKeyRef"]
        return self.secrets[wanted["name"]][wanted["key"]]
