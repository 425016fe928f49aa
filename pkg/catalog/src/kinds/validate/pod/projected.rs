//! Volumes put together from several sources.

use knarr_api::{field::Errors, names};

use super::volumes::{Paths, downward_file, key_to_path};
use crate::kinds::{
    spot::Spot,
    validate::common::{file_mode, volume_path},
};

/// Ten minutes.
const SHORTEST_TOKEN: i64 = 600;
const LONGEST_TOKEN: i64 = 1 << 32;

pub(super) fn sources(volume: &Spot<'_, '_>, out: &mut Errors) {
    file_mode(&volume.at("defaultMode"), out);
    let mut paths = Paths::new();
    for source in volume.at("sources").items() {
        let mut found = 0;
        for kind in ["secret", "configMap"] {
            let from = source.at(kind);
            if !from.is_set() {
                continue;
            }
            found += 1;
            let name = from.at("name");
            if name.is_empty() {
                out.push(name.required(""));
            }
            for item in from.at("items").items() {
                key_to_path(&item, out);
                once(volume, item.text_at("path"), name.text(), &mut paths, out);
            }
        }
        let downward = source.at("downwardAPI");
        if downward.is_set() {
            found += 1;
            for file in downward.at("items").items() {
                downward_file(&file, out);
                let path = file.text_at("path");
                once(volume, path, path, &mut paths, out);
            }
        }
        let token_at = source.at("serviceAccountToken");
        if token_at.is_set() {
            found += 1;
            token(&token_at, out);
            let path = token_at.text_at("path");
            once(volume, path, path, &mut paths, out);
        }
        let bundle = source.at("clusterTrustBundle");
        if bundle.is_set() {
            found += 1;
            trust_bundle(&bundle, out);
            let path = bundle.text_at("path");
            once(volume, path, path, &mut paths, out);
        }
        found += usize::from(source.at("podCertificate").is_set());
        if found > 1 {
            out.push(source.forbidden("may not specify more than 1 volume type per source"));
        }
    }
}

fn once<'v>(volume: &Spot<'_, '_>, path: &'v str, shown: &str, paths: &mut Paths<'v>, out: &mut Errors) {
    if !path.is_empty() && !paths.insert(path) {
        out.push(volume.invalid_as(shown, "conflicting duplicate paths"));
    }
}

fn token(token: &Spot<'_, '_>, out: &mut Errors) {
    let seconds = token.at("expirationSeconds");
    match seconds.int() {
        Some(n) if n < SHORTEST_TOKEN => out.push(seconds.invalid("may not specify a duration less than 10 minutes")),
        Some(n) if n > LONGEST_TOKEN => {
            out.push(seconds.invalid("may not specify a duration larger than 2^32 seconds"));
        }
        _ => {}
    }
    volume_path(&token.at("path"), out);
}

fn trust_bundle(bundle: &Spot<'_, '_>, out: &mut Errors) {
    let (name, signer, selector) = (bundle.at("name"), bundle.at("signerName"), bundle.at("labelSelector"));
    match (name.is_set(), signer.is_set()) {
        (true, true) => out.push(bundle.invalid("only one of name and signerName may be used")),
        (true, false) => {
            if name.is_empty() {
                out.push(name.required("must be a valid object name"));
            }
            if selector.is_set() {
                out.push(selector.invalid("labelSelector must be unset if name is specified"));
            }
        }
        (false, true) => {
            if signer.is_empty() {
                out.push(signer.required("must be a valid signer name"));
            }
        }
        (false, false) => out.push(bundle.required("either name or signerName must be specified")),
    }
    name.check(names::path_segment_name, out);
    volume_path(&bundle.at("path"), out);
}
