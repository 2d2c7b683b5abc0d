//! Quantiles, a bootstrap of the ratio of two medians, the Mann-Whitney test, Holm's correction. Everything is
//! deterministic: the bootstrap draws from a generator with a fixed seed.

#![expect(clippy::cast_sign_loss, reason = "places in a list are never negative")]

use std::cmp::Ordering;

/// Draws of the bootstrap; the interval is the middle 95 % of them.
const DRAWS: usize = 2000;
const SEED: u64 = 0x6361_7264_6C69_6E6B;

/// A quantile of sorted values, between neighbours by distance (Hyndman and Fan's type 7); 0 of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = last as f64 * share.clamp(0.0, 1.0);
    let below = place.floor();
    let at = |index: f64| sorted.get(index as usize).copied().unwrap_or_default();
    let (low, high) = (at(below), at((below + 1.0).min(last as f64)));
    (place - below).mul_add(high - low, low)
}

/// The 95 % interval of median(b) / median(a) when both are drawn again with replacement; the values are sorted, positive.
pub fn ratio_interval(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let mut generator = Generator(SEED);
    let mut ratios: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let below = generator.median_of_resample(a);
            generator.median_of_resample(b) / below
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    Some((quantile(&ratios, 0.025), quantile(&ratios, 0.975)))
}

/// The probability that two samples of one distribution differ in their ranks as much as these or more (two-sided, normal
/// approximation with corrections for ties and continuity). The values are sorted. 1 when there is nothing to compare.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let (size, other_size) = (a.len() as f64, b.len() as f64);
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let (mut of_a, mut of_b) = (0, 0);
    let (mut rank, mut ranks_of_a, mut ties) = (0.0, 0.0, 0.0);
    loop {
        let value = match (a.get(of_a), b.get(of_b)) {
            (Some(left), Some(right)) => left.min(*right),
            (Some(one), None) | (None, Some(one)) => *one,
            (None, None) => break,
        };
        let equal = |side: &[f64], from: usize| {
            side.iter().skip(from).take_while(|other| other.total_cmp(&value) == Ordering::Equal).count()
        };
        let (left, right) = (equal(a, of_a), equal(b, of_b));
        if left + right == 0 {
            // Not a number: such a value is not compared.
            return 1.0;
        }
        (of_a, of_b) = (of_a + left, of_b + right);
        let group = (left + right) as f64;
        ranks_of_a += left as f64 * (rank + f64::midpoint(group, 1.0));
        rank += group;
        ties += group.mul_add(group * group, -group);
    }
    let all = size + other_size;
    let statistic = ranks_of_a - size * (size + 1.0) / 2.0;
    let variance = size * other_size / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance.is_nan() || variance <= 0.0 {
        return 1.0;
    }
    let distance = ((statistic - size * other_size / 2.0).abs() - 0.5).max(0.0);
    libm::erfc(distance / (2.0 * variance).sqrt()).clamp(0.0, 1.0)
}

/// Holm's step-down correction: what each p-value is worth when all of them were looked at.
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let value = |index: usize| values.get(index).copied().unwrap_or(1.0);
    order.sort_by(|left, right| value(*left).total_cmp(&value(*right)));
    let mut corrected = vec![1.0; values.len()];
    let mut largest = 0.0_f64;
    for (step, index) in order.into_iter().enumerate() {
        largest = largest.max(value(index) * (values.len() - step) as f64).min(1.0);
        if let Some(place) = corrected.get_mut(index) {
            *place = largest;
        }
    }
    corrected
}

/// SplitMix64.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, below 1.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A gamma variate of a shape of 1 or more (Marsaglia and Tsang, 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = c.mul_add(x, 1.0).powi(3);
            if v > 0.0 && self.uniform().ln() < x.mul_add(x / 2.0, d) - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// The median of a sample as large as `sorted`, drawn from it with replacement. Only the places of the middle one or two
    /// are drawn: order statistics of uniform variates are beta variates.
    fn median_of_resample(&mut self, sorted: &[f64]) -> f64 {
        let size = sorted.len() as f64;
        let at =
            |place: f64| sorted.get((place * size) as usize).or_else(|| sorted.last()).copied().unwrap_or_default();
        let lower = sorted.len().div_ceil(2) as f64;
        let (left, right) = (self.gamma(lower), self.gamma(size - lower + 1.0));
        let place = left / (left + right);
        if sorted.len() % 2 == 1 {
            return at(place);
        }
        let next = place + (1.0 - place) * (1.0 - self.uniform().powf(1.0 / (size - lower)));
        f64::midpoint(at(place), at(next))
    }
}

#[cfg(test)]
mod tests {
    use super::{Generator, holm, mann_whitney, quantile, ratio_interval};

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-4 * wanted.max(1e-3), "{found} is not {wanted}");
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [1.0, 2.0, 3.0, 4.0];
        close(quantile(&values, 0.5), 2.5);
        close(quantile(&values, 0.95), 3.85);
        close(quantile(&values, 1.0), 4.0);
        close(quantile(&[7.0], 0.99), 7.0);
        close(quantile(&[], 0.5), 0.0);
    }

    /// The expected values are SciPy's: `mannwhitneyu(a, b, method="asymptotic")`.
    #[test]
    fn mann_whitney_is_that_of_others() {
        let a = [1.1, 2.0, 3.2, 4.1, 5.5, 6.0];
        let b = [3.5, 4.4, 5.6, 6.6, 7.1, 8.0, 9.3];
        close(mann_whitney(&a, &b), 0.038_318_763_149);
        let a = [1.0, 1.0, 2.0, 2.0, 3.0];
        let b = [2.0, 3.0, 3.0, 4.0, 4.0, 4.0];
        close(mann_whitney(&a, &b), 0.030_423_784_148);
        let a: Vec<f64> = (0..100).map(f64::from).collect();
        let b: Vec<f64> = (0..80).map(|step| f64::from(step) + 40.5).collect();
        let found = mann_whitney(&a, &b);
        assert!((found / 1.378_873_596_150e-10 - 1.0).abs() < 1e-6, "{found}");
        close(mann_whitney(&a, &a), 1.0);
        close(mann_whitney(&[1.0; 5], &[1.0; 9]), 1.0);
        close(mann_whitney(&[], &a), 1.0);
        close(mann_whitney(&[f64::NAN], &[1.0]), 1.0);
    }

    #[test]
    fn holm_steps_down() {
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, wanted) in corrected.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            close(*found, wanted);
        }
        assert!(holm(&[]).is_empty());
    }

    /// Against the plain way: draw as many as there are, sort, take the middle.
    #[test]
    fn the_middle_of_a_resample_is_drawn_as_if_all_were() {
        let mut generator = Generator(7);
        for size in [1_usize, 2, 5, 40, 41] {
            let values: Vec<f64> = (1..=size).map(|value| value as f64).collect();
            let mut quick: Vec<f64> = (0..20_000).map(|_| generator.median_of_resample(&values)).collect();
            let mut plain: Vec<f64> = (0..20_000)
                .map(|_| {
                    let mut drawn: Vec<f64> =
                        (0..size).map(|_| values[(generator.uniform() * size as f64) as usize]).collect();
                    drawn.sort_by(f64::total_cmp);
                    quantile(&drawn, 0.5)
                })
                .collect();
            quick.sort_by(f64::total_cmp);
            plain.sort_by(f64::total_cmp);
            for share in [0.025, 0.25, 0.5, 0.75, 0.975] {
                let (quick, plain) = (quantile(&quick, share), quantile(&plain, share));
                assert!((quick - plain).abs() <= size as f64 * 0.03, "{size} values, {share}: {quick}, {plain}");
            }
        }
    }

    #[test]
    fn the_interval_holds_the_ratio_and_is_the_same_each_time() {
        let a: Vec<f64> = (0..101).map(|step| 1.0 + f64::from(step) / 100.0).collect();
        let b: Vec<f64> = a.iter().map(|value| value * 1.2).collect();
        let (low, high) = ratio_interval(&a, &b).expect("both have values");
        assert!(low < 1.2 && 1.2 < high && high - low < 0.4, "{low} {high}");
        assert_eq!(ratio_interval(&a, &b), Some((low, high)));
        assert_eq!(ratio_interval(&a, &[]), None);
    }
}
