//! The same rows as wide files, as files of one measurement per row, and as JSON lines.

use crate::support::HEADER;

/// What the files of a world are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    Wide,
    Long,
    JsonLines,
}

impl Files {
    pub const ALL: [Files; 3] = [Files::Wide, Files::Long, Files::JsonLines];

    pub fn contract(self) -> &'static str {
        match self {
            Files::Wide | Files::JsonLines => "[contract]\nmax_rejected_ratio = 0.9\n",
            Files::Long => {
                "[contract]\nmax_rejected_ratio = 0.9\nlayout = \"long\"\n\n[[contract.sensor]]\nname = \"temp\"\n\n\
                 [[contract.sensor]]\nname = \"light\"\ntype = \"boolean\"\n\n\
                 [[contract.sensor]]\nname = \"pulses\"\ntype = \"integer\"\n\n\
                 [[contract.sensor]]\nname = \"note\"\ntype = \"text\"\nrequired = false\n"
            }
        }
    }

    pub fn ending(self) -> &'static str {
        if self == Files::JsonLines { "jsonl" } else { "csv" }
    }

    /// The rows of a wide file in this form.
    pub fn of_wide(self, wide: &str) -> String {
        let names: Vec<&str> = HEADER.split(',').collect();
        let rows = wide.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
        match self {
            Files::Wide => wide.to_owned(),
            Files::Long => rows.fold("ts,device,metric,value\n".to_owned(), |text, row| {
                let (key, temp) = (format!("{},{}", row[0], row[1]), row[8]);
                let more = [("light", "1"), ("pulses", "9007199254740993"), ("note", temp)];
                let measured = std::iter::once(("temp", temp)).chain(more.into_iter().take(temp.len() % 4));
                text + &measured.map(|(metric, value)| format!("{key},{metric},{value}\n")).collect::<String>()
            }),
            Files::JsonLines => rows
                .map(|row| {
                    let pairs = names.iter().zip(row).map(|(name, value)| format!("\"{name}\":\"{value}\""));
                    format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
                })
                .collect(),
        }
    }
}
