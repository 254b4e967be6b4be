//! Where traces and lineage go, as the environment says by the names that the field has for it.

use std::path::PathBuf;

use super::error::ConfigError;

/// Variables of the environment, and the key of the file; none is set to nothing.
#[derive(Debug, Clone, Default)]
pub struct EndpointVariables {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`
    pub otlp: Option<String>,
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`
    pub otlp_traces: Option<String>,
    /// `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, else `OTEL_EXPORTER_OTLP_HEADERS`
    pub otlp_headers: Option<String>,
    /// `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL`, else `OTEL_EXPORTER_OTLP_PROTOCOL`
    pub otlp_protocol: Option<String>,
    /// `OTEL_TRACES_EXPORTER`
    pub otel_exporter: Option<String>,
    /// `OTEL_SERVICE_NAME`
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`
    pub resource: Option<String>,
    /// `OTEL_SDK_DISABLED`
    pub otel_disabled: Option<String>,
    /// `OPENLINEAGE_URL`
    pub openlineage: Option<String>,
    /// `OPENLINEAGE_ENDPOINT`
    pub openlineage_endpoint: Option<String>,
    /// `OPENLINEAGE_API_KEY`
    pub openlineage_key: Option<String>,
    /// `OPENLINEAGE_NAMESPACE`
    pub openlineage_namespace: Option<String>,
    /// `OPENLINEAGE_DISABLED`
    pub openlineage_disabled: Option<String>,
}

/// Where traces and lineage go. Headers may hold keys, so they are never printed.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// Where traces go.
    pub traces: Option<TraceEndpoint>,
    /// Where lineage goes.
    pub lineage: Option<LineageEndpoint>,
    /// What the environment asks for and can't have, and why. It is said, and the files are loaded.
    pub unusable: Vec<String>,
}

/// An OTLP collector.
#[derive(Debug, Clone)]
pub struct TraceEndpoint {
    /// Of its traces.
    pub url: String,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// Attributes of this program.
    pub resource: Vec<(String, String)>,
}

/// A backend of OpenLineage.
#[derive(Debug, Clone)]
pub struct LineageEndpoint {
    /// A file or a server.
    pub target: LineageTarget,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// Of the jobs.
    pub namespace: String,
}

/// What takes events.
#[derive(Debug, Clone)]
pub enum LineageTarget {
    /// One line each.
    File(PathBuf),
    /// One request each.
    Http(String),
}

impl EndpointVariables {
    /// As this process has them.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self {
            otlp: variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
            otlp_traces: variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            otlp_headers: variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or(variable("OTEL_EXPORTER_OTLP_HEADERS")),
            otlp_protocol: variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or(variable("OTEL_EXPORTER_OTLP_PROTOCOL")),
            otel_exporter: variable("OTEL_TRACES_EXPORTER"),
            service_name: variable("OTEL_SERVICE_NAME"),
            resource: variable("OTEL_RESOURCE_ATTRIBUTES"),
            otel_disabled: variable("OTEL_SDK_DISABLED"),
            openlineage: variable("OPENLINEAGE_URL"),
            openlineage_endpoint: variable("OPENLINEAGE_ENDPOINT"),
            openlineage_key: variable("OPENLINEAGE_API_KEY"),
            openlineage_namespace: variable("OPENLINEAGE_NAMESPACE"),
            openlineage_disabled: variable("OPENLINEAGE_DISABLED"),
        }
    }

    /// What they mean; `lineage` is what the configuration file says where the environment says nothing. A platform sets
    /// variables for all that runs on it: one that is of no use here stops nobody's files, and is named in the result.
    ///
    /// # Errors
    /// When the file's endpoint is no URL.
    pub fn resolve(self, lineage: &str) -> Result<Endpoints, ConfigError> {
        let mut unusable = Vec::new();
        let mut usable = |e: ConfigError| unusable.push(e.to_string());
        let traces = self.traces().map_err(&mut usable).ok().flatten();
        let lineage = match set(&self.openlineage) {
            Some(url) => self.lineage("OPENLINEAGE_URL", url).map_err(&mut usable).ok().flatten(),
            None => self.lineage("monitoring.lineage", lineage)?,
        };
        Ok(Endpoints { traces, lineage, unusable })
    }

    fn traces(&self) -> Result<Option<TraceEndpoint>, ConfigError> {
        let is_off = is_true(&self.otel_disabled) || set(&self.otel_exporter) == Some("none");
        let base = set(&self.otlp).map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let url = match set(&self.otlp_traces).map(str::to_owned).or(base) {
            Some(url) if !is_off => url,
            _ => return Ok(None),
        };
        if set(&self.otlp_protocol) == Some("grpc") {
            let message = "gRPC is not spoken, so there are no traces; name the collector's HTTP port, and `http/json`";
            return Err(ConfigError::at("OTEL_EXPORTER_OTLP_PROTOCOL", message.to_owned()));
        }
        expect_http("OTEL_EXPORTER_OTLP_ENDPOINT", &url)?;
        let mut resource = pairs(set(&self.resource).unwrap_or_default());
        if let Some(name) = set(&self.service_name) {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name.to_owned()));
        }
        if !resource.iter().any(|(key, _)| key == "service.name") {
            resource.push(("service.name".to_owned(), "iotpipe".to_owned()));
        }
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        Ok(Some(TraceEndpoint { url, headers: pairs(set(&self.otlp_headers).unwrap_or_default()), resource }))
    }

    fn lineage(&self, name: &str, written: &str) -> Result<Option<LineageEndpoint>, ConfigError> {
        if written.is_empty() || is_true(&self.openlineage_disabled) {
            return Ok(None);
        }
        let target = match written.strip_prefix("file://") {
            Some(path) => LineageTarget::File(path.into()),
            None if !written.contains("://") => LineageTarget::File(written.into()),
            None => {
                expect_http(name, written)?;
                let endpoint = set(&self.openlineage_endpoint).unwrap_or("api/v1/lineage");
                let (base, endpoint) = (written.trim_end_matches('/'), endpoint.trim_start_matches('/'));
                LineageTarget::Http(format!("{base}/{endpoint}"))
            }
        };
        let key = set(&self.openlineage_key);
        let headers = key.map(|key| ("Authorization".to_owned(), format!("Bearer {key}"))).into_iter().collect();
        let namespace = set(&self.openlineage_namespace).unwrap_or("default").to_owned();
        Ok(Some(LineageEndpoint { target, headers, namespace }))
    }
}

fn set(variable: &Option<String>) -> Option<&str> {
    variable.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn is_true(variable: &Option<String>) -> bool {
    set(variable).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The URL is not shown: it may hold a password.
fn expect_http(name: &str, url: &str) -> Result<(), ConfigError> {
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    match is_web && url.parse::<ureq::http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())) {
        true => Ok(()),
        false => Err(ConfigError::at(name, "no URL; write it as http://collector.example.org:4318".to_owned())),
    }
}

/// `key=value,key=value`, as OpenTelemetry writes them, with `%XX` for bytes.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), decode(value))).collect()
}
