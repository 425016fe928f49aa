//! Which revision is the present one, and which may go: pure.

use std::sync::Arc;

use super::Revision;

/// What makes the present template the newest revision.
#[derive(Debug, PartialEq)]
pub(super) enum Next<'a> {
    /// It is.
    Keep(&'a Arc<Revision>),
    /// An older revision has it, and gets the next number.
    Renumber(&'a Arc<Revision>, i64),
    /// No revision has it.
    Create(i64),
}

/// The step that brings `template` to the end of `revisions` (oldest first).
pub(super) fn next<'a>(revisions: &'a [Arc<Revision>], template: &str) -> Next<'a> {
    let top = revisions.last().map_or(0, |r| r.number);
    match revisions.iter().rposition(|r| *r.template == *template) {
        Some(at) if at + 1 == revisions.len() => Next::Keep(&revisions[at]),
        Some(at) => Next::Renumber(&revisions[at], top + 1),
        None => Next::Create(top + 1),
    }
}

/// Revisions of the same template as `kept`: adopted ones, or made by hand.
pub(crate) fn duplicates(revisions: &[Arc<Revision>], kept: &Revision) -> Vec<Arc<Revision>> {
    revisions.iter().filter(|r| r.template == kept.template && r.key != kept.key).cloned().collect()
}

/// The oldest `surplus` of the revisions that nothing lives by.
pub(crate) fn oldest(
    revisions: &[Arc<Revision>],
    surplus: usize,
    lives: impl Fn(&Revision) -> bool,
) -> Vec<Arc<Revision>> {
    revisions.iter().filter(|r| !lives(r)).take(surplus).cloned().collect()
}

#[cfg(test)]
mod tests {
    use knarr_api::Object;
    use serde_json::json;

    use super::*;

    fn revisions(all: &[(&str, i64, &str)]) -> Vec<Arc<Revision>> {
        let revision = |(name, number, image): &(&str, i64, &str)| {
            let v = json!({"metadata": {"name": name, "namespace": "n"}, "revision": number,
                "data": {"spec": {"template": {"$patch": "replace", "spec": {"image": image}}}}});
            Arc::new(Revision::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
        };
        all.iter().map(revision).collect()
    }

    fn template(image: &str) -> String {
        crate::steps::fingerprint(&json!({"spec": {"image": image}}))
    }

    /// The facts of upstream's table for revisions of a StatefulSet.
    #[test]
    fn the_present_template_becomes_the_newest_revision() {
        let none = revisions(&[]);
        assert_eq!(next(&none, &template("v1")), Next::Create(1));
        let two = revisions(&[("a", 1, "v1"), ("b", 2, "v2")]);
        assert_eq!(next(&two, &template("v3")), Next::Create(3));
        assert_eq!(next(&two, &template("v2")), Next::Keep(&two[1]));
        assert_eq!(next(&two, &template("v1")), Next::Renumber(&two[0], 3));
        // Of equal ones the newest counts.
        let twice = revisions(&[("a", 1, "v1"), ("b", 2, "v1"), ("c", 3, "v2")]);
        assert_eq!(next(&twice, &template("v1")), Next::Renumber(&twice[1], 4));
    }

    #[test]
    fn duplicates_and_surplus() {
        let all = revisions(&[("a", 1, "v1"), ("b", 2, "v2"), ("c", 3, "v1"), ("d", 4, "v3")]);
        let names = |r: Vec<Arc<Revision>>| r.iter().map(|r| r.key.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(duplicates(&all, &all[2])), ["a"]);
        assert_eq!(names(oldest(&all, 2, |r| r.number == 1)), ["b", "c"]);
        assert_eq!(names(oldest(&all, 0, |_| false)), [""; 0]);
    }
}
