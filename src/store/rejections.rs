//! Why rows were set aside → `file_rejections` and `rejection_sample`, in the commit of their file.

use super::dialect::Dialect;
use iotpipe_core::offences::Offences;

/// What replaces the rejections of a file, which may have some already where it was `judged_before`. Nothing for a file
/// without any.
pub fn rejection_statements(file_id: i64, offences: &Offences, judged_before: bool, dialect: Dialect) -> Vec<String> {
    let mut statements = Vec::new();
    if judged_before {
        for table in ["file_rejections", "rejection_sample"] {
            statements.push(format!("DELETE FROM {table} WHERE file_id = {file_id}"));
        }
    }
    let text = |text: &str| dialect.text(text);
    let counts: Vec<String> = offences
        .counts()
        .map(|(rule, column, count)| format!("({file_id}, {}, {}, {count})", text(rule.as_str()), text(column)))
        .collect();
    if !counts.is_empty() {
        let columns = "file_id, rule, column_name, count";
        statements.push(format!("INSERT INTO file_rejections ({columns}) VALUES {}", counts.join(", ")));
    }
    let sample: Vec<String> = offences
        .sample()
        .iter()
        .map(|offence| {
            let reason = &offence.reason;
            let texts = [reason.rule.as_str(), &reason.column, &reason.value, &reason.message].map(text);
            format!("({file_id}, {}, {})", offence.line, texts.join(", "))
        })
        .collect();
    if !sample.is_empty() {
        let columns = "file_id, line_number, rule, column_name, value, message";
        statements.push(format!("INSERT INTO rejection_sample ({columns}) VALUES {}", sample.join(", ")));
    }
    statements
}
