//! What others than its users see of the program: metrics, health, traces, lineage, notices to the service manager. None of it ever holds
//! up or fails a load.

mod delivery;
mod ended;
mod exposition;
mod http;
mod lineage;
mod monitor;
mod observer;
mod process;
mod service;
mod textfile;
mod traced_transaction;
mod traces;

pub use ended::{BrokenRules, Ended};
pub use http::{HttpServer, Refused, probe};
pub use monitor::Monitor;
pub use observer::Observer;
pub use process::{database_failed, passed};
pub use service::ServiceManager;
pub use textfile::write_metrics_file;
pub use traces::ScannedFile;
