//! Cases by kind: the members of one line, laid over an object without fault, and what they are answered with.

mod access;
mod config;
mod network;
mod pods;
mod status;
mod updates;
mod workloads;

use expect_test::Expect;
use knarr_api::Value;

use crate::kinds::testing::{create, merge, resource, tree};

/// Lays each case over the object at `path` of `base` and compares the answers.
#[track_caller]
fn check(kind: (&str, &str), base: &str, path: &[&str], cases: &[&str], expected: Expect) {
    let resource = resource(kind.0, kind.1);
    let mut out = create(resource, tree(base));
    for case in cases {
        let mut object = tree(base);
        let target = match path {
            [] => &mut object,
            path => spot(&mut object, path),
        };
        merge(target, tree(&format!("{{{case}}}")));
        out.push_str(&format!("{case}\n{}", create(resource, object)));
    }
    expected.assert_eq(&out);
}

/// A place in an object; numbers are places in lists.
fn spot<'v>(object: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(object, |here, step| match step.parse::<usize>() {
        Ok(index) => &mut here.as_array_mut().expect("a list")[index],
        Err(_) => here.get_mut(step).expect("a member"),
    })
}
