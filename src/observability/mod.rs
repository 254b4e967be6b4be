//! What others than its users see of the program: metrics, health, notices to the service manager. None of it ever holds
//! up or fails a load.

mod exposition;
mod http;
mod monitor;
mod process;
mod service;
mod textfile;

pub use http::{HttpServer, Refused, probe};
pub use monitor::Monitor;
pub use process::{database_failed, passed};
pub use service::ServiceManager;
pub use textfile::write_metrics_file;
