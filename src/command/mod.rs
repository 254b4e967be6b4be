//! One file per command. A command gets resolved values and a printer, and touches neither arguments nor environment.

mod adopt;
mod aggregate;
mod dispatch;
mod exit;
mod generate;
mod health;
mod init;
mod load;
mod loaded;
mod migrate;
mod named;
mod reaggregate;
mod release;
mod replay;
mod retry;
mod run;
mod scan;
mod signals;
mod status;
mod unload;
mod validate;
mod verify;
mod watch;

pub use dispatch::dispatch;
pub use exit::Exit;
