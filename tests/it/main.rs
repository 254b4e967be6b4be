//! Black-box tests: the program as its users run it, on both databases. One binary, so that one PostgreSQL server
//! serves the whole run.

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod arrival;
mod as_delivered;
mod bad_input;
mod cardinality;
#[cfg(feature = "failpoints")]
mod claims;
mod conservation;
mod contract_errors;
mod corrections;
mod database_away;
mod defects;
mod disk_full;
mod duplicates;
mod exports;
mod extremes;
mod folders;
mod foreign;
mod formats;
mod given_up;
mod grown;
mod health;
mod help;
mod hostile;
mod isolation;
mod json_lines;
mod lifecycle;
mod line_protocol;
mod lineage;
mod long_layout;
mod metrics;
mod named_files;
mod nothing_to_do;
mod own_names;
#[cfg(feature = "failpoints")]
mod ownership;
mod poison;
mod pooler;
mod proof;
mod rejections;
mod rights;
mod running;
mod sample;
mod service;
mod sharing;
mod steps;
mod stops;
mod strange_databases;
mod taking_out;
mod traces;
mod upgrade;
mod verify;
mod windows;
mod wrong_guesses;
