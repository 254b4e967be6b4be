//! PostgreSQL in a container, where a Docker engine answers.

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{GenericImage, ImageExt};

/// Starts the container and gives its URL, or says why there is none. It is removed when this process is gone.
pub fn start() -> Result<String, String> {
    // The image's first start also runs a server for its own set-up, which logs to stdout; the real one to stderr.
    let container = GenericImage::new("postgres", "17-alpine")
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"))
        .with_env_var("POSTGRES_HOST_AUTH_METHOD", "trust")
        .with_cmd(["postgres", "-c", "fsync=off", "-c", "max_connections=200"])
        .start()
        .map_err(|e| e.to_string())?;
    super::when_we_are_gone(&format!(
        "docker rm --force --volumes {id} || podman rm --force --volumes {id} || \
         curl --silent --unix-socket /var/run/docker.sock -X DELETE 'http://localhost/containers/{id}?force=true&v=true'",
        id = container.id()
    ));
    let host = container.get_host().map_err(|e| e.to_string())?;
    let port = container.get_host_port_ipv4(5432).map_err(|e| e.to_string())?;
    std::mem::forget(container); // would remove it now
    Ok(format!("postgres://postgres@{host}:{port}/postgres"))
}
