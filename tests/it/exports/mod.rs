//! Exports of loggers, networks and platforms, each in the dress in which it is published, and the contract that loads
//! it: no file is touched before.

mod homes;
mod loggers;
mod networks;
mod platforms;
