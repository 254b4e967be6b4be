//! Flags, environment and `iotpipe.toml` become one checked [`Config`]; nobody else reads any of them.

mod endpoints;
mod error;
mod file;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use endpoints::{EndpointVariables, Endpoints, LineageEndpoint, LineageTarget, TraceEndpoint};
pub use error::ConfigError;
use file::{ConfigFile, FormatName};
use iotpipe_core::contract::Contract;
use iotpipe_core::contract::declaration::{Declaration, LayoutName, OneOrMany};
use iotpipe_core::parse::FileFormat;

/// The commented file that `init` writes; it says what the built-in defaults say.
pub const TEMPLATE: &str = include_str!("template.toml");

/// A file that must be still for longer is a slip of the pen: `run` waits for it.
const LONGEST_SETTLE: Duration = Duration::from_secs(366 * 86_400);

/// Everything a command needs to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The four folders.
    pub paths: Paths,
    /// Globs below `paths.data`, in lower case.
    pub patterns: Vec<glob::Pattern>,
    /// What all files are written in; `None` where their names tell.
    pub format: Option<FileFormat>,
    /// How long a file must have been still before it is taken.
    pub settle: Duration,
    /// Whether a file need not be still that long where a writer was seen to close it.
    pub trust_close: bool,
    /// How long a file of no bytes is waited for.
    pub empty_after: Duration,
    /// `sqlite://…` or `postgres://…`; may hold a password, so it is never printed.
    pub database_url: String,
    /// Whether any command brings a PostgreSQL schema up to date.
    pub auto_migrate: bool,
    /// Where `loop` answers with metrics and health; nowhere, where there is none.
    pub http: Option<SocketAddr>,
    /// Where lineage goes: a file or a URL; empty: nowhere. The environment comes before it.
    pub lineage: String,
    /// Where traces and lineage go, once the environment was asked.
    pub endpoints: Endpoints,
    /// The shape of a reading.
    pub contract: Contract,
}

/// Folders; created when missing.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Where files arrive.
    pub data: PathBuf,
    /// Where loaded files go.
    pub processed: PathBuf,
    /// Where bad rows and refused files go.
    pub quarantine: PathBuf,
    /// Where the logs go.
    pub logs: PathBuf,
}

impl Config {
    /// Reads `path` (or takes the built-in defaults where it is `None`) and lets `database_url` override the file's.
    ///
    /// # Errors
    /// When the file can't be read or parsed (line and key are named), or a value makes no sense.
    pub fn resolve(path: Option<&Path>, database_url: Option<String>) -> Result<Config, ConfigError> {
        let place = path.map_or_else(|| "built-in configuration".to_owned(), |p| p.display().to_string());
        let text = match path {
            None => String::new(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|e| ConfigError::at(&place, format!("can't be read: {e}")))?
            }
        };
        let config =
            Self::from_text(&text, database_url.clone()).map_err(|message| ConfigError::at(&place, message))?;
        let folder = path.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        Ok(match folder {
            Some(folder) => config.below(folder, database_url.is_none()),
            None => config,
        })
    }

    /// With `written` (a flag, or the environment) in the place of the file's `monitoring.http`; empty: nowhere.
    ///
    /// # Errors
    /// When it is no address.
    pub fn answering_at(mut self, written: Option<&str>) -> Result<Config, ConfigError> {
        if let Some(written) = written {
            let wrong = |message| ConfigError::at("command line or IOTPIPE_HTTP", message);
            self.http = address("http", written).map_err(wrong)?;
        }
        Ok(self)
    }

    /// With the endpoints that `variables` of the environment, or the file, name.
    ///
    /// # Errors
    /// When the file's is no URL.
    pub fn reporting_to(mut self, variables: EndpointVariables) -> Result<Config, ConfigError> {
        self.endpoints = variables.resolve(&self.lineage)?;
        Ok(self)
    }

    /// With relative paths below `folder`; that of the database, too, where the file or a default says it.
    fn below(mut self, folder: &Path, database_too: bool) -> Config {
        let paths = &mut self.paths;
        for path in [&mut paths.data, &mut paths.processed, &mut paths.quarantine, &mut paths.logs] {
            *path = folder.join(&*path);
        }
        if !self.lineage.is_empty() && !self.lineage.contains("://") {
            self.lineage = folder.join(&self.lineage).to_string_lossy().into_owned();
        }
        if database_too {
            self.database_url = database_below(folder, self.database_url);
        }
        self
    }

    /// What the file `name` is written in.
    pub fn format_of(&self, name: &str) -> FileFormat {
        self.format.unwrap_or_else(|| FileFormat::of(name))
    }

    /// As [`Config::resolve`], from the text of a file.
    ///
    /// # Errors
    /// Says what is wrong, where it can with line and key.
    pub fn from_text(text: &str, database_url: Option<String>) -> Result<Config, String> {
        let file: ConfigFile = toml::from_str(text).map_err(|e| e.to_string())?;
        let format = file.source.format.map(|name| match name {
            FormatName::Csv => FileFormat::Csv,
            FormatName::Jsonl => FileFormat::JsonLines,
            FormatName::LineProtocol => FileFormat::LineProtocol,
        });
        let is_long = file.contract.layout == LayoutName::Long;
        if is_long && format == Some(FileFormat::LineProtocol) {
            return Err(
                "contract.layout = \"long\": a line of source.format = \"line_protocol\" has a value for each of its \
                        fields, as a row of the wide layout"
                    .to_owned(),
            );
        }
        let declaration = Declaration { csv: file.csv, contract: file.contract, aggregate: file.aggregate };
        Ok(Config {
            patterns: patterns(file.source.pattern.as_ref(), format)?,
            format,
            settle: duration("source.settle", &file.source.settle)?,
            trust_close: file.source.trust_close,
            empty_after: duration("source.empty_after", &file.source.empty_after)?,
            // A variable that is set to nothing is how many tools unset one.
            database_url: database_url.filter(|url| !url.is_empty()).unwrap_or(file.database.url),
            auto_migrate: file.database.auto_migrate,
            paths: Paths {
                data: folder("paths.data", file.paths.data)?,
                processed: folder("paths.processed", file.paths.processed)?,
                quarantine: folder("paths.quarantine", file.paths.quarantine)?,
                logs: folder("paths.logs", file.paths.logs)?,
            },
            http: address("monitoring.http", &file.monitoring.http)?,
            lineage: file.monitoring.lineage,
            endpoints: Endpoints::default(),
            contract: Contract::resolve(&declaration).map_err(|e| e.to_string())?,
        })
    }
}

/// An address with its port; none where the text is empty.
fn address(key: &str, text: &str) -> Result<Option<SocketAddr>, String> {
    match text.is_empty() {
        true => Ok(None),
        false => {
            text.parse().map(Some).map_err(|_| format!("{key} = {text:?}: write it as 127.0.0.1:9464 or [::1]:9464"))
        }
    }
}

/// A `sqlite://` URL with a relative path, below `folder`; any other as it is.
fn database_below(folder: &Path, url: String) -> String {
    let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) else { return url };
    if path.starts_with('/') || path.is_empty() || path.starts_with(":memory:") {
        return url;
    }
    // The path of a URL is decoded where it is used.
    let folder = folder.to_string_lossy().replace('%', "%25").replace('?', "%3F");
    format!("sqlite://{folder}/{path}")
}

/// In lower case, as the names that are compared with them: whoever names files by hand minds no case.
fn patterns(written: Option<&OneOrMany<String>>, format: Option<FileFormat>) -> Result<Vec<glob::Pattern>, String> {
    let texts = match written {
        None => &default_patterns(format)[..],
        Some(written) => written.as_slice(),
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err("source.pattern: names no file; write it as \"**/*.csv\", or as a list".to_owned());
    }
    let parse = |text: &String| {
        glob::Pattern::new(&text.to_lowercase()).map_err(|e| format!("source.pattern = \"{text}\": {e}"))
    };
    texts.iter().map(parse).collect()
}

/// By the endings of `format`, or of all where names tell it; each plain and compressed.
fn default_patterns(format: Option<FileFormat>) -> Vec<String> {
    let endings: &[&str] = match format {
        None => &["csv", "jsonl", "ndjson"],
        Some(FileFormat::Csv) => &["csv"],
        Some(FileFormat::JsonLines) => &["jsonl", "ndjson"],
        Some(FileFormat::LineProtocol) => &["lp"],
    };
    let of = |ending: &&str| ["", ".gz", ".zst"].map(|packed| format!("**/*.{ending}{packed}"));
    endings.iter().flat_map(of).collect()
}

fn folder(key: &str, text: String) -> Result<PathBuf, String> {
    match text.is_empty() || text.contains('\0') {
        true => Err(format!("{key} = {text:?}: names no folder")),
        false => Ok(text.into()),
    }
}

fn duration(key: &str, text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(length) if length > LONGEST_SETTLE => Err(format!("{key} = \"{text}\": too long, the most is a year")),
        Ok(length) => Ok(length),
        Err(e) => Err(format!("{key} = \"{text}\": {e} (write it as 500ms, 2s, 1h, 1d)")),
    }
}
