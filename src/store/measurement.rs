//! A reading of the long layout as `iot_raw_values` has it.

use std::collections::HashMap;

use iotpipe_core::contract::Contract;
use iotpipe_core::reading::{Batch, Cell, Reading};

/// The three columns of its value, of which at most one matters: `whole` stands beside the float next to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured<'b> {
    /// A number, or truth as 1 and 0.
    pub(super) value: Option<f64>,
    /// A whole number that no 64-bit float is.
    pub(super) whole: Option<i64>,
    /// A text.
    pub(super) text: Option<&'b str>,
}

impl<'b> Measured<'b> {
    /// What `reading` measured, and the index of its sensor.
    pub(super) fn of(batch: &'b Batch, reading: &Reading) -> (usize, Measured<'b>) {
        let (sensor, cell) = batch.measurement(reading);
        let whole = match cell {
            Cell::Integer(whole) if whole as f64 as i128 != i128::from(whole) => Some(whole),
            _ => None,
        };
        let text = match cell {
            Cell::Text(start, len) => Some(batch.text_of(start, len)),
            _ => None,
        };
        (sensor as usize, Measured { value: cell.as_f64(), whole, text })
    }
}

/// The numbers of the contract's sensors in the database, in the contract's order; none in the wide layout.
///
/// # Errors
/// That one has none: the schema is not the contract's.
pub(super) fn sensor_ids<T: Copy>(contract: &Contract, ids: &HashMap<String, T>) -> Result<Vec<T>, String> {
    let id = |name: &String| {
        ids.get(name).copied().ok_or_else(|| {
            format!("the table `sensor` has no {name:?}, which the contract names; run `iotpipe migrate`")
        })
    };
    match contract.long {
        None => Ok(Vec::new()),
        Some(_) => contract.sensors.iter().map(|sensor| id(&sensor.name)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iotpipe_core::reading::Position;
    use proptest::prelude::*;

    fn measured(cell: Cell) -> (Option<f64>, Option<i64>) {
        let mut batch = Batch::default();
        batch.cells.push(cell);
        batch.sensors.push(0);
        let position = Position { line: 1, start: 0, len: 0 };
        let (_, measured) = Measured::of(&batch, &Reading { device: 0, ts: 0, cells: 0, position });
        (measured.value, measured.whole)
    }

    proptest! {
        #[test]
        fn a_whole_number_is_kept_to_the_last_digit(number in any::<i64>(), small in -1_000_000i64..1_000_000) {
            for number in [number, small, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1, 1 << 62] {
                let (value, whole) = measured(Cell::Integer(number));
                prop_assert_eq!(value, Some(number as f64));
                prop_assert_eq!(whole.unwrap_or(value.unwrap_or_default() as i64), number);
                prop_assert!(number.unsigned_abs() > 1 << 53 || whole.is_none());
            }
        }
    }

    #[test]
    fn truth_is_a_number_and_nothing_is_none() {
        assert_eq!(measured(Cell::Boolean(true)), (Some(1.0), None));
        assert_eq!(measured(Cell::Null), (None, None));
    }
}
