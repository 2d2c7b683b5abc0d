//! Medians and spread.

use std::fmt;

/// The values that several rounds gave, in order of size.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread(Vec<f64>);

impl Spread {
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The middle value, or the mean of the two in the middle; NaN of nothing.
    pub fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        match (self.0.get(half.wrapping_sub(1)), self.0.get(half)) {
            (Some(low), Some(high)) if self.0.len().is_multiple_of(2) => f64::midpoint(*low, *high),
            (_, Some(middle)) => *middle,
            _ => f64::NAN,
        }
    }

    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// Values of the same rounds, one by one.
    pub fn of_pairs(left: &[f64], right: &[f64], join: impl Fn(f64, f64) -> f64) -> Self {
        left.iter().zip(right).map(|(left, right)| join(*left, *right)).collect()
    }
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }
}

/// `median (min to max)`, with digits that fit the size.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(match self.median().abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        });
        write!(f, "{:.decimals$}", self.median())?;
        if self.0.len() > 1 {
            write!(f, " ({:.decimals$} to {:.decimals$})", self.min(), self.max())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| values.iter().copied().collect::<Spread>();
        assert_eq!(spread(&[3.0, 1.0, 2.0]).to_string(), "2.00 (1.00 to 3.00)");
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).to_string(), "2.50 (1.00 to 4.00)");
        assert_eq!(spread(&[250.0]).to_string(), "250");
        assert!(spread(&[]).median().is_nan());
    }
}
