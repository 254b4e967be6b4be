//! Count, extremes, mean and deviation of some values. Pure.

/// Values further from 0 than this have a count, a minimum and a maximum, but neither mean nor deviation: a squared
/// difference, times any count, stays far from what a 64-bit float (1.8e308) and a database can hold. That the limit
/// lies on the values, not on the result, makes the rule independent of the order in which they come.
pub const MAX_AVERAGED: f64 = 1e100;

/// Count, extremes, mean and sum of squared deviations of some values.
///
/// Values are added by Welford's method and sets merged by Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
/// Algorithm for Computing Sample Variances" (1979), so that no precision is lost to the size of the mean.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Number of values.
    pub count: i64,
    /// Smallest value, in the sensor's unit.
    pub min: f64,
    /// Largest value, in the sensor's unit.
    pub max: f64,
    /// Without meaning, and perhaps not finite, once a value lay beyond [`MAX_AVERAGED`]; as `m2`.
    mean: f64,
    m2: f64,
}

impl Stats {
    /// Of no values.
    pub const EMPTY: Stats = Stats { count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, m2: 0.0 };

    /// As they were stored: mean (the sensor's unit) and sum of squared deviations (the unit squared) are absent where a
    /// value lies beyond [`MAX_AVERAGED`].
    pub fn stored(count: i64, min: f64, max: f64, mean: Option<f64>, m2: Option<f64>) -> Stats {
        Stats { count, min, max, mean: mean.unwrap_or(f64::NAN), m2: m2.unwrap_or(f64::NAN) }
    }

    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (value - self.mean);
    }

    /// The aggregate of both sets of values.
    pub fn merge(self, other: Stats) -> Stats {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        Stats {
            count: self.count + other.count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            mean: self.mean + delta * b / (a + b),
            m2: self.m2 + other.m2 + delta * delta * a * b / (a + b),
        }
    }

    /// Arithmetic mean, in the sensor's unit; `None` where a value lies beyond [`MAX_AVERAGED`].
    pub fn mean(&self) -> Option<f64> {
        self.is_averaged().then_some(self.mean)
    }

    /// Sum of squared deviations from the mean, in the unit squared; `None` where a value lies beyond [`MAX_AVERAGED`].
    pub fn m2(&self) -> Option<f64> {
        self.is_averaged().then_some(self.m2)
    }

    /// Sample standard deviation (n−1), in the sensor's unit; `None` for fewer than two values, and where one lies
    /// beyond [`MAX_AVERAGED`].
    pub fn stddev(&self) -> Option<f64> {
        self.m2().filter(|_| self.count > 1).map(|m2| (m2 / (self.count - 1) as f64).sqrt())
    }

    fn is_averaged(&self) -> bool {
        self.min >= -MAX_AVERAGED && self.max <= MAX_AVERAGED
    }

    /// Whether both are of the same values, added one by one in the same order: bit for bit.
    pub fn is_same_as(&self, other: &Stats) -> bool {
        (self.count, self.min, self.max) == (other.count, other.min, other.max)
            && (!self.is_averaged() || (self.mean, self.m2) == (other.mean, other.m2))
    }

    /// Whether both may be of the same values, merged from `parts` sets in any two orders.
    ///
    /// With u = 2⁻⁵³ the unit roundoff, each of `parts` merges rounds the mean by a few u of the largest value, and adds to
    /// the squares a term δ²ab/(a+b) whose δ is that uncertain: by Cauchy and Schwarz |Δm2| grows with
    /// √(m2·(m2 + n·mean²)) per merge, and where there is no deviation to speak of, with n·(u·mean)².
    pub fn is_close_to(&self, other: &Stats, parts: i64) -> bool {
        if (self.count, self.min, self.max) != (other.count, other.min, other.max) {
            return false;
        }
        if !self.is_averaged() {
            return true;
        }
        let (n, k, scale) = (self.count as f64, parts as f64, self.min.abs().max(self.max.abs()));
        let squares = TOLERANCE * k * self.m2.sqrt() * (self.m2 + n * self.mean * self.mean).sqrt();
        let least = n * (TOLERANCE * self.mean) * (TOLERANCE * self.mean);
        (self.mean - other.mean).abs() <= TOLERANCE * k * scale && (self.m2 - other.m2).abs() <= squares + least
    }
}

/// Eight times the unit roundoff of a 64-bit float, 2⁻⁵³: what one merge of two sets may differ by, relative to what it
/// is computed of. Held by random merge orders in the tests below; in a hundred thousand of them the largest difference
/// was an eighth of it.
pub const TOLERANCE: f64 = 8.0 * f64::EPSILON / 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Stats {
        let mut stats = Stats::EMPTY;
        values.iter().for_each(|v| stats.add(*v));
        stats
    }

    /// Any finite number, the ends of the range among them.
    fn extreme() -> impl Strategy<Value = f64> {
        let ends =
            [0.0, -0.0, f64::MAX, f64::MIN, 5e-324, -5e-324, f64::MIN_POSITIVE, 1e-200, 1e150, 1e100, -1e100, 21.5];
        prop_oneof![
            prop::sample::select(ends.to_vec()),
            prop::num::f64::NORMAL,
            prop::num::f64::SUBNORMAL,
            -1e3f64..1e3
        ]
    }

    /// Mean and squared deviations, the plain way.
    fn in_two_passes(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum())
    }

    fn close(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.max(1.0)
    }

    proptest! {
        #[test]
        fn merging_in_any_order_is_adding_all(
            a in prop::collection::vec(-1e6f64..1e6, 0..50),
            b in prop::collection::vec(-1e6f64..1e6, 0..50),
        ) {
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let (one, two, whole) = (of(&a).merge(of(&b)), of(&b).merge(of(&a)), of(&all));
            prop_assert_eq!(one.count, whole.count);
            prop_assert_eq!((one.min, one.max), (whole.min, whole.max));
            for merged in [one, two] {
                prop_assert!(close(merged.mean, whole.mean, 1e6));
                prop_assert!(close(merged.m2, whole.m2, 1e14));
            }
        }

        #[test]
        fn merge_orders_differ_by_the_tolerance_at_most(
            (mean, noise) in (prop::sample::select(vec![0.0, 1.0, 21.5, -1e3, 1e6, 1e9, -1e15]),
                              prop::sample::select(vec![0.0, 1e-9, 1e-3, 1.0, 1e3])),
            parts in prop::collection::vec(prop::collection::vec(-1f64..1.0, 1..20), 1..60),
            seed in any::<u64>(),
        ) {
            let sets: Vec<Stats> =
                parts.iter().map(|part| of(&part.iter().map(|v| mean + noise * v).collect::<Vec<_>>())).collect();
            let merged = |order: &[usize]| order.iter().fold(Stats::EMPTY, |all, &i| all.merge(sets[i]));
            let mut order: Vec<usize> = (0..sets.len()).collect();
            let first = merged(&order);
            order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
            let second = merged(&order);
            prop_assert!(first.is_close_to(&second, sets.len() as i64), "{first:?} {second:?}");
        }

        #[test]
        fn no_value_poisons_the_figures(
            a in prop::collection::vec(extreme(), 1..20),
            b in prop::collection::vec(extreme(), 1..20),
        ) {
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let within = all.iter().all(|v| v.abs() <= MAX_AVERAGED);
            let scale = all.iter().fold(f64::MIN_POSITIVE, |most, v| most.max(v.abs()));
            for stats in [of(&all), of(&a).merge(of(&b)), of(&b).merge(of(&a))] {
                prop_assert_eq!(stats.count, all.len() as i64);
                prop_assert!(stats.min <= stats.max && all.contains(&stats.min) && all.contains(&stats.max));
                prop_assert_eq!((stats.mean().is_some(), stats.m2().is_some()), (within, within));
                prop_assert_eq!(stats.stddev().is_some(), within);
                if let (Some(mean), Some(m2), Some(stddev)) = (stats.mean(), stats.m2(), stats.stddev()) {
                    prop_assert!(mean.is_finite() && m2.is_finite() && stddev.is_finite() && m2 >= 0.0);
                    let (expected, squares) = in_two_passes(&all);
                    prop_assert!((mean - expected).abs() <= 1e-12 * scale);
                    prop_assert!((m2 - squares).abs() <= 1e-12 * scale * scale * all.len() as f64 + f64::MIN_POSITIVE);
                }
            }
        }

        #[test]
        fn the_deviation_is_the_textbook_one(values in prop::collection::vec(-1e3f64..1e3, 2..50)) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            let expected = (squares / (values.len() - 1) as f64).sqrt();
            prop_assert!(close(of(&values).stddev().unwrap(), expected, 1e3));
        }
    }

    #[test]
    fn a_deviation_far_below_the_mean_is_told_from_another() {
        let values: Vec<f64> = (0..100).map(|i| 1e9 + f64::from(i % 7) * 1e-3).collect();
        let stats = of(&values);
        let false_one = Stats { m2: stats.m2 * 1.01, ..stats };
        assert!(stats.is_close_to(&stats, 1) && !stats.is_close_to(&false_one, 10));
        assert!(!stats.is_close_to(&Stats { mean: stats.mean + 1e-4, ..stats }, 10));
        assert!(stats.is_same_as(&stats) && !stats.is_same_as(&Stats { m2: stats.m2.next_up(), ..stats }));
    }

    #[test]
    fn one_value_has_no_deviation() {
        assert_eq!(of(&[3.0]).stddev(), None);
    }
}
