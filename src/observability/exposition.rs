//! The metrics in Prometheus' text format.

use prometheus::core::Collector;
use prometheus::{Encoder, GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use super::process;
use crate::manifest::Figures;
use iotpipe_core::validate::JUDGE;

/// What a scrape or a file of the textfile collector is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// The manifest, unless it could not be looked at yet.
    pub figures: Option<Figures>,
    /// When a run last ended without a failure, in seconds since 1970; none where none is known.
    pub last_success: Option<f64>,
}

/// A series: a value and the values of its labels.
type Series<'a, T> = Vec<(Vec<&'a str>, T)>;

/// The text. Never fails: what can't be said is left out.
pub(super) fn render(observed: &Observed) -> String {
    let families = Families(Registry::new());
    families.of_process(observed);
    if let Some(figures) = &observed.figures {
        families.of_manifest(figures);
    }
    let mut text = Vec::new();
    let _ = TextEncoder::new().encode(&families.0.gather(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

struct Families(Registry);

impl Families {
    fn of_process(&self, observed: &Observed) {
        let judge = JUDGE.to_string();
        let info = [(vec![env!("CARGO_PKG_VERSION"), judge.as_str()], 1)];
        self.gauges(
            "iotpipe_build_info",
            "Version of the program, and of its judge.",
            &["version", "judge"],
            info.into(),
        );
        let errors = process::database_errors();
        let errors = process::POLICIES.iter().map(|policy| (vec![*policy], errors.get(policy).copied().unwrap_or(0)));
        let help = "Errors of the database by what is done about them, since the process began.";
        self.counters("iotpipe_database_errors_total", help, &["policy"], errors.collect());
        let lost = process::lost_messages().into_iter().map(|(kind, n)| (vec![kind], n)).collect();
        let help = "Traces and events of lineage that could not be sent, since the process began.";
        self.counters("iotpipe_dropped_messages_total", help, &["kind"], lost);
        if let Some(histogram) = process::pass_seconds() {
            self.add(histogram.clone());
        }
        if let Some(time) = observed.last_success {
            let help = "When a run last ended without a failure, in seconds since 1970.";
            self.float("iotpipe_last_success_timestamp_seconds", help, time);
        }
    }

    fn of_manifest(&self, figures: &Figures) {
        let rows = [("loaded", figures.loaded), ("rejected", figures.rejected), ("duplicate", figures.duplicate)];
        let rows = rows.map(|(outcome, n)| (vec![outcome], n)).into();
        self.counters("iotpipe_rows_total", "Rows of loaded files by where they went.", &["outcome"], rows);
        let bytes = vec![(vec![], figures.bytes)];
        self.counters("iotpipe_bytes_total", "Bytes of loaded files, as stored.", &[], bytes);
        let broken = figures.rejections.iter().map(|(rule, n)| (vec![rule.as_str()], *n)).collect();
        let help = "Rules that rows of loaded files broke; a row may break several.";
        self.counters("iotpipe_rejections_total", help, &["rule"], broken);
        let files = figures.files.iter().map(|(state, n)| (vec![state.as_str()], signed(*n))).collect();
        self.gauges("iotpipe_files", "Files by state.", &["state"], files);
        let help = "Seconds since the oldest file that waits was discovered; 0 where none waits.";
        self.float("iotpipe_oldest_pending_seconds", help, figures.oldest_pending);
        let claims = &figures.claims;
        let claims = [("own", claims.own), ("others", claims.others), ("lapsed", claims.lapsed)];
        let claims = claims.map(|(holder, n)| (vec![holder], signed(n))).into();
        self.gauges("iotpipe_claims", "Files in hand: this process's, others', and free again.", &["holder"], claims);
        let quiet = figures.quiet.iter().map(|(device, seconds)| (vec![device.as_str()], *seconds)).collect();
        let help = "Seconds since the latest reading of the devices that have been quiet longest.";
        self.floats("iotpipe_device_quiet_seconds", help, &["device"], quiet);
        let at = figures.at.timestamp_millis() as f64 / 1000.0;
        let help = "When the manifest was looked at for these metrics, in seconds since 1970.";
        self.float("iotpipe_manifest_read_timestamp_seconds", help, at);
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str], series: Series<'_, u64>) {
        let Ok(family) = IntCounterVec::new(Opts::new(name, help), labels) else { return };
        series.iter().for_each(|(values, n)| family.with_label_values(values).inc_by(*n));
        self.add(family);
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str], series: Series<'_, i64>) {
        let Ok(family) = IntGaugeVec::new(Opts::new(name, help), labels) else { return };
        series.iter().for_each(|(values, n)| family.with_label_values(values).set(*n));
        self.add(family);
    }

    fn floats(&self, name: &str, help: &str, labels: &[&str], series: Series<'_, f64>) {
        let Ok(family) = GaugeVec::new(Opts::new(name, help), labels) else { return };
        series.iter().for_each(|(values, n)| family.with_label_values(values).set(*n));
        self.add(family);
    }

    fn float(&self, name: &str, help: &str, value: f64) {
        self.floats(name, help, &[], vec![(vec![], value)]);
    }

    fn add(&self, family: impl Collector + 'static) {
        let _ = self.0.register(Box::new(family));
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The value of a metric without labels in a text that [`render`] wrote.
pub(super) fn value_in(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_escaped_and_values_read_back() {
        let quiet = vec![("a\"\\\nb".to_owned(), 2.5)];
        let figures = Figures { loaded: 7, quiet, ..Figures::default() };
        let text = render(&Observed { figures: Some(figures), last_success: Some(12.5) });
        assert!(text.contains(r#"iotpipe_device_quiet_seconds{device="a\"\\\nb"} 2.5"#), "{text}");
        assert!(
            text.contains("# TYPE iotpipe_rows_total counter\niotpipe_rows_total{outcome=\"duplicate\"} 0"),
            "{text}"
        );
        assert!(text.contains("iotpipe_rows_total{outcome=\"loaded\"} 7"), "{text}");
        assert_eq!(value_in(&text, "iotpipe_last_success_timestamp_seconds"), Some(12.5));
        assert_eq!(value_in(&text, "iotpipe_rows_total"), None);
    }
}
