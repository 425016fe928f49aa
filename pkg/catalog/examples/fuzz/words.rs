//! Small notations: what is canonical stays as it is.

use knarr_api::{
    quantity,
    selector::{Fields, Labels},
    time,
};
use knarr_fuzz::Random;

fn one_of(seeds: &[&str], random: &mut Random) -> Vec<u8> {
    random.pick(seeds).as_bytes().to_vec()
}

pub(crate) fn quantity_seed(random: &mut Random) -> Vec<u8> {
    one_of(&["1500m", "-1.5Gi", "1e3", "0.000000001", "9223372036854775807Ei", "1E-30"], random)
}

pub(crate) fn time_seed(random: &mut Random) -> Vec<u8> {
    one_of(&["2024-01-01T00:00:00.000001+01:00", "9999-12-31T23:59:60Z", "0001-01-01T00:00:00Z"], random)
}

pub(crate) fn selector_seed(random: &mut Random) -> Vec<u8> {
    one_of(
        &["x in (a,b),y notin (,c),!z,w", "a.example.com/x==1,y!=b,z>1,z<5", r"metadata.name=a\,b,spec.nodeName!=c\=d"],
        random,
    )
}

pub(crate) fn amount(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(once) = quantity::canonical(text) else { return };
    assert_eq!(quantity::canonical(&once).as_deref(), Ok(&*once));
}

pub(crate) fn moment(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for precision in [time::Precision::Second, time::Precision::Micro] {
        if let Ok(Some(once)) = time::canonical(text, precision) {
            assert_eq!(time::canonical(&once, precision), Ok(Some(once)));
        }
    }
}

pub(crate) fn selector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(labels) = Labels::parse(text) {
        let printed = labels.to_string();
        assert_eq!(Labels::parse(&printed).as_ref(), Ok(&labels), "{printed}");
        let _ = labels.matches(&[("x".into(), "a".into()), ("z".into(), "3".into())]);
    }
    if let Ok(fields) = Fields::parse(text) {
        // Terms stand in the order of their text, which `==` and `=` have to themselves.
        let sorted = |fields: &Fields| {
            let mut terms: Vec<_> = fields.requirements().iter().map(|r| (&*r.field, r.equal, &*r.value)).collect();
            terms.sort_unstable();
            format!("{terms:?}")
        };
        let printed = fields.to_string();
        let again = Fields::parse(&printed).expect("what we print we can read");
        assert_eq!(sorted(&again), sorted(&fields), "{printed}");
        let _ = fields.matches(|_| Some("a"));
    }
}
