use proptest::prelude::*;

use super::*;

#[test]
fn canonical_form_is_upstreams() {
    let table = [
        ("0", "0"),
        ("0Ki", "0"),
        ("000", "0"),
        ("1", "1"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"),
        ("512", "512"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("1E6", "1E6"),
        ("1000", "1k"),
        ("1000000", "1M"),
        ("12345678", "12345678"),
        ("0.001", "1m"),
        ("0.1n", "1n"),
        ("-5", "-5"),
        ("-0.5", "-500m"),
        ("1e-3", "1e-3"),
        ("100000", "100k"),
        ("8Ki", "8Ki"),
        ("8192", "8192"),
        ("1Ei", "1Ei"),
        ("16Ei", "9223372036854775807"),
        ("1E", "1E"),
        ("1.G", "1.G"),
        (".5", "500m"),
        ("1.500", "1.500"),
        ("+5", "+5"),
        ("100Mi", "100Mi"),
        ("0.1Ki", "102400m"),
        ("1500m", "1500m"),
        ("1e1", "10"),
        ("1e4", "10e3"),
    ];
    for (text, want) in table {
        assert_eq!(canonical(text).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn refuses_what_is_no_quantity() {
    let table = [
        ("", Error::Format),
        ("a", Error::Format),
        ("1 ", Error::Format),
        ("1.2.3", Error::Format),
        ("1x", Error::Format),
        ("1i", Error::Suffix),
        ("1e", Error::Suffix),
        ("1mm", Error::Suffix),
        ("1K", Error::Suffix),
        ("1234567890123456789012345678901234567891", Error::Numeric),
        ("1e99999999999", Error::Suffix),
    ];
    for (text, want) in table {
        assert_eq!(canonical(text), Err(want), "{text}");
    }
}

fn q(text: &str) -> Quantity {
    text.parse().unwrap()
}

#[test]
fn reckons() {
    assert_eq!((q("1") + q("500m")).to_string(), "1500m");
    assert_eq!((q("1Gi") - q("512Mi")).to_string(), "512Mi");
    assert_eq!((Quantity::ZERO + q("1Gi")).to_string(), "1Gi");
    assert_eq!((q("1.1m").milli_value(), q("1100m").value(), q("2Ki").value()), (2, 2, 2048));
    assert_eq!(q("1e30").value(), i64::MAX);
    assert!(q("1Ki") > q("1k") && q("-1Ki") < q("-1k") && q("1e2000") > q("16Ei") && q("-1") < q("1n"));
    assert_eq!(q("1000m"), q("1"));
    assert!((q("250m").as_f64() - 0.25).abs() < 1e-12);
}

proptest! {
    #[test]
    fn the_canonical_form_is_stable_and_equal(
        text in "[+-]?[0-9]{1,12}(\\.[0-9]{0,11})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|e3|e-3|E2)?"
    ) {
        let once = canonical(&text).unwrap();
        prop_assert_eq!(canonical(&once).unwrap(), once.clone());
        prop_assert_eq!(q(&once), q(&text));
        let printed = q(&text).to_string();
        prop_assert_eq!(q(&printed), q(&text));
    }

    #[test]
    fn never_panics(text in "\\PC{0,20}") {
        let _ = canonical(&text);
    }

    #[test]
    fn sums_agree_with_integers(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000) {
        let (x, y) = (Quantity::milli(a), Quantity::milli(b));
        prop_assert_eq!((x + y).milli_value(), a + b);
        prop_assert_eq!((x - y).milli_value(), a - b);
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
    }
}
