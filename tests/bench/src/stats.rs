//! Numbers about numbers. Pure.

/// The value that a share `q` (0 to 1) of the sample does not exceed (nearest rank); 0 for an empty sample.
pub(crate) fn quantile(sample: &[f64], q: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// The middle.
pub(crate) fn median(sample: &[f64]) -> f64 {
    quantile(sample, 0.5)
}

/// Milliseconds.
pub(crate) fn ms(d: std::time::Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let sample: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let of = |q| quantile(&sample, q);
        assert_eq!([of(0.0), of(0.5), of(0.9), of(0.99), of(1.0)], [1.0, 10.0, 18.0, 20.0, 20.0]);
        assert_eq!((median(&[7.0]), median(&[])), (7.0, 0.0));
    }
}
