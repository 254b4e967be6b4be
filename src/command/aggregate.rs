//! `iotpipe aggregate`

use crate::error::Error;
use crate::manifest::State;
use crate::printer::Summary;
use crate::step::{Workshop, bring_files_to};

pub fn run(shop: &Workshop<'_>) -> Result<Summary, Error> {
    bring_files_to(shop, State::Aggregated, "aggregate")
}
