//! Reading Kubernetes quantities (`100m`, `1.5Gi`, `1e3`) as integers, rounded up as upstream does.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Thousandths, rounded up. What cannot be read counts as nothing: the API server has validated it.
pub(crate) fn milli(q: &Quantity) -> i64 {
    parse(&q.0, 1000)
}

/// Whole units (bytes, cores, pieces), rounded up.
pub(crate) fn value(q: &Quantity) -> i64 {
    parse(&q.0, 1)
}

fn parse(text: &str, scale: i128) -> i64 {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let Some((numerator, denominator)) = factor(suffix) else { return 0 };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = &fraction[..fraction.len().min(15)];
    let Ok(digits) = format!("{whole}{fraction}").parse::<i128>() else { return 0 };
    let below = denominator * 10i128.pow(fraction.len() as u32);
    let Some(above) = digits.checked_mul(numerator).and_then(|n| n.checked_mul(scale)) else { return i64::MAX };
    let up = above.div_euclid(below) + i128::from(above.rem_euclid(below) != 0);
    i64::try_from(up).unwrap_or(i64::MAX)
}

/// The factor of a suffix as a fraction.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let binary = |n: u32| (1i128 << (10 * n), 1);
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            match exponent {
                0..=18 => (10i128.pow(exponent.unsigned_abs()), 1),
                -18..0 => (1, 10i128.pow(exponent.unsigned_abs())),
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_notations_rounding_up() {
        let table = [
            ("1", 1, 1000),
            ("100m", 1, 100),
            ("1.5", 2, 1500),
            ("64Mi", 64 << 20, (64 << 20) * 1000),
            ("0.5Gi", 512 << 20, (512 << 20) * 1000),
            ("1e3", 1000, 1_000_000),
            ("2k", 2000, 2_000_000),
            ("1n", 1, 1),
            ("nonsense", 0, 0),
            ("", 0, 0),
        ];
        for (text, whole, thousandths) in table {
            let q = Quantity(text.to_owned());
            assert_eq!((value(&q), milli(&q)), (whole, thousandths), "{text}");
        }
    }
}
