//! A [`Declaration`] is checked, once, and becomes a [`Contract`].

mod columns;
mod csv;
mod long;
mod sensors;
mod timestamp;

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::declaration::{AggregateTable, ContractTable, CsvTable, Declaration, ExtraColumnsName};
use super::model::{Contract, ExtraColumns, LONGEST_WINDOW};

/// A declaration that makes no sense: the key and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidContract(String);

impl Contract {
    /// Checks `declaration`.
    ///
    /// # Errors
    /// Names the key and what it takes.
    pub fn resolve(declaration: &Declaration) -> Result<Contract, InvalidContract> {
        resolve(declaration).map_err(InvalidContract)
    }

    /// As [`Contract::resolve`], from the text of the tables `[csv]`, `[contract]` and `[aggregate]`. An empty text is the
    /// contract of the public "Environmental Sensor Telemetry" data set.
    ///
    /// # Errors
    /// Names line and key of what can't be read.
    pub fn from_toml(text: &str) -> Result<Contract, InvalidContract> {
        let declaration: Declaration = toml::from_str(text).map_err(|e| InvalidContract(e.to_string()))?;
        Self::resolve(&declaration)
    }
}

fn resolve(declaration: &Declaration) -> Result<Contract, String> {
    let Declaration { csv, contract, aggregate } = declaration;
    let body = body(declaration)?;
    let hash = hash(declaration)?;
    let sensors = sensors::sensors(&contract.sensor, csv)?;
    Ok(Contract {
        csv: csv::format(csv)?,
        timestamp: timestamp::rule(contract)?,
        device: columns::device(&contract.device)?,
        long: long::rows(contract, &sensors)?,
        sensors,
        extra_columns: match contract.extra_columns {
            ExtraColumnsName::Ignore => ExtraColumns::Ignore,
            ExtraColumnsName::Reject => ExtraColumns::Reject,
        },
        max_rejected_ratio: ratio(contract.max_rejected_ratio)?,
        max_future_micros: micros("contract.max_future", &contract.max_future)?,
        window_micros: window(&aggregate.window)?,
        hash,
        body,
    })
}

/// What the contract is made of again: also what its hash leaves out.
fn body(declaration: &Declaration) -> Result<String, String> {
    let judged = judged(declaration);
    let mut tables = toml::Table::try_from(&judged).map_err(|e| e.to_string())?;
    let mut write = |table: &str, key: &str, value: toml::Value| {
        if let Some(toml::Value::Table(table)) = tables.get_mut(table) {
            table.insert(key.to_owned(), value);
        }
    };
    write("csv", "multiline", judged.csv.multiline.into());
    write("contract", "min_timestamp", judged.contract.min_timestamp.clone().into());
    toml::to_string(&tables).map_err(|e| e.to_string())
}

fn hash(declaration: &Declaration) -> Result<String, String> {
    let text = toml::to_string(&judged(declaration)).map_err(|e| e.to_string())?;
    Ok(Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Every setting that decides a verdict. The windows' length decides none, and is pinned in the database: it counts
/// as the default, so that statistics which were computed anew still belong to the contract that judged the rows.
#[derive(serde::Serialize)]
struct Judged<'d> {
    csv: &'d CsvTable,
    contract: &'d ContractTable,
    aggregate: AggregateTable,
}

fn judged(declaration: &Declaration) -> Judged<'_> {
    let Declaration { csv, contract, aggregate: _ } = declaration;
    Judged { csv, contract, aggregate: AggregateTable::default() }
}

fn duration(key: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{key} = \"{text}\": {e} (write it as 500ms, 2s, 1h, 1d)"))
}

fn micros(key: &str, text: &str) -> Result<i64, String> {
    i64::try_from(duration(key, text)?.as_micros()).map_err(|_| format!("{key} = \"{text}\": too long"))
}

fn window(text: &str) -> Result<i64, String> {
    let key = "aggregate.window";
    match duration(key, text)? {
        length if length.as_micros() == 0 => Err(format!("{key} = \"{text}\": must be a microsecond or longer")),
        length if length > LONGEST_WINDOW => Err(format!("{key} = \"{text}\": too long, the most is 1000 years")),
        _ => micros(key, text),
    }
}

fn ratio(value: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(format!("contract.max_rejected_ratio = {value}: must be between 0 and 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sensors_of_one_name_are_refused() {
        let error = Contract::from_toml("[[contract.sensor]]\nname='a'\n[[contract.sensor]]\nname='a'\n").unwrap_err();
        assert_eq!(error.to_string(), "contract.sensor: two sensors are named \"a\"");
    }

    #[test]
    fn the_length_of_windows_decides_no_verdict() {
        let hash = |toml: &str| Contract::from_toml(toml).unwrap().hash;
        assert_eq!(hash("[aggregate]\nwindow = '1d'"), hash(""));
        assert_ne!(hash("[contract]\nmax_future = '2d'"), hash(""));
    }

    #[test]
    fn a_contract_is_made_again_of_its_body() {
        for toml in [
            "",
            "[csv]\ndecimal = ','\ndelimiter = ';'\nnull_values = ['-200', '', '\\\"x']",
            "[contract]\ntimestamp = { column = ['Date', 'Time'], format = '%F %T', zone = 'Europe/Rome', ambiguous = 'latest' }",
            "[contract]\ndevice = { from_name = '^(?<device>.+)_' }\n[[contract.sensor]]\nname='a'\ntype='integer'\nmin=-1",
            "[csv]\nmultiline = true\n[contract]\nmin_timestamp = '0001-01-01'",
            "[contract]\nlayout = 'long'\nmetric = ['m', 'n']\nunknown_metrics = 'ignore'",
            "[contract]\ndevice = { value = 'p' }\nextra_columns = 'reject'\n[aggregate]\nwindow = '1d'",
        ] {
            let contract = Contract::from_toml(toml).unwrap();
            let again = Contract::from_toml(&contract.body).unwrap();
            assert_eq!((again.hash, &again.body), (contract.hash, &contract.body), "{toml}");
        }
    }

    /// Every default that is new, turned off.
    const AS_AT_FIRST: &str = "
        [csv]
        null_values = ['', 'null', 'NaN', 'NA']
        multiline = true
        final_newline = 'optional'
        [contract]
        min_timestamp = '0001-01-01'
    ";

    #[test]
    fn without_the_new_defaults_the_hash_is_that_of_the_first_version() {
        let first = "04957d1b7ccd5614d54e06fb9ed45fa5f5e77ee6c37ce2cb15bb25101af6c73b";
        assert_eq!(Contract::from_toml(AS_AT_FIRST).unwrap().hash, first);
    }

    #[test]
    fn the_hash_of_the_built_in_contract_stays_as_it_is() {
        let built_in = "7e2859a3a75e5424ed583bb691bd89f4cf1f25cfe7d4d850c444b4d859d88a35";
        assert_eq!(Contract::from_toml("").unwrap().hash, built_in);
    }
}
