//! Quantity → canonical text.

use std::fmt;

use super::{Format, Quantity};

const DECIMAL: [(i32, &str); 10] =
    [(-9, "n"), (-6, "u"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"), (15, "P"), (18, "E")];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        match self.format {
            Format::BinarySi => match self.at_scale(0) {
                // Small amounts and fractions would lose something as binary.
                Some((whole, true)) if whole.unsigned_abs() >= 1024 => binary(whole, f),
                _ => self.decimal(f),
            },
            Format::DecimalSi => self.decimal(f),
            Format::DecimalExponent => {
                let (digits, exponent) = self.by_thousands();
                match exponent {
                    0 => write!(f, "{digits}"),
                    _ => write!(f, "{digits}e{exponent}"),
                }
            }
        }
    }
}

impl Quantity {
    /// The fewest digits whose exponent is a multiple of three.
    fn by_thousands(self) -> (i128, i32) {
        let (mut digits, mut exponent) = self.reduced();
        while exponent % 3 != 0 {
            digits = digits.saturating_mul(10);
            exponent -= 1;
        }
        (digits, exponent)
    }

    fn decimal(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, exponent) = self.by_thousands();
        match DECIMAL.iter().find(|(e, _)| *e == exponent) {
            Some((_, suffix)) => write!(f, "{digits}{suffix}"),
            None => write!(f, "{digits}e{exponent}"),
        }
    }
}

fn binary(mut whole: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut step = 0;
    while whole % 1024 == 0 && step + 1 < BINARY.len() {
        whole /= 1024;
        step += 1;
    }
    write!(f, "{whole}{}", BINARY[step])
}
