//! Which files a volume of ConfigMaps, Secrets, pod fields and tokens has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume};

use super::{
    Facts,
    atomic::{File, Files},
    tokens::TokenRequest,
};
use crate::{
    pod,
    translate::{Data, SpecError, field, resource},
};

const DEFAULT_MODE: i32 = 0o644;

/// The plugin's name in paths, for volumes made of files.
pub(super) fn plugin(volume: &Volume) -> Option<&'static str> {
    match volume {
        v if v.config_map.is_some() => Some("configmap"),
        v if v.secret.is_some() => Some("secret"),
        v if v.projected.is_some() => Some("projected"),
        v if v.downward_api.is_some() => Some("downward-api"),
        _ => None,
    }
}

/// The ConfigMaps and Secrets a pod refers to, in volumes and in environments, and its pull secrets.
pub(crate) fn references(pod: &Pod) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    let spec = pod::spec(pod);
    for v in spec.volumes.iter().flatten() {
        maps.extend(v.config_map.iter().map(|s| s.name.clone()));
        secrets.extend(v.secret.iter().filter_map(|s| s.secret_name.clone()));
        for s in v.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            maps.extend(s.config_map.iter().map(|s| s.name.clone()));
            secrets.extend(s.secret.iter().map(|s| s.name.clone()));
        }
    }
    for part in pod::parts(pod) {
        for from in part.spec.env_from.iter().flatten() {
            maps.extend(from.config_map_ref.iter().map(|s| s.name.clone()));
            secrets.extend(from.secret_ref.iter().map(|s| s.name.clone()));
        }
        for from in part.spec.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
            maps.extend(from.config_map_key_ref.iter().map(|s| s.name.clone()));
            secrets.extend(from.secret_key_ref.iter().map(|s| s.name.clone()));
        }
    }
    secrets.extend(spec.image_pull_secrets.iter().flatten().map(|s| s.name.clone()));
    maps.remove("");
    secrets.remove("");
    (maps, secrets)
}

/// The tokens a volume needs.
pub(super) fn token_requests(volume: &Volume) -> Vec<TokenRequest> {
    let sources = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    sources.filter_map(|s| s.service_account_token.as_ref()).map(request).collect()
}

fn request(source: &ServiceAccountTokenProjection) -> TokenRequest {
    TokenRequest {
        audience: source.audience.clone().unwrap_or_default(),
        seconds: source.expiration_seconds.unwrap_or(3600),
    }
}

/// The files of a volume.
pub(super) fn payload(
    pod: &Pod,
    volume: &Volume,
    facts: Facts<'_>,
    tokens: &BTreeMap<TokenRequest, String>,
) -> Result<Files, SpecError> {
    let mut out = Files::new();
    if let Some(s) = &volume.config_map {
        let optional = s.optional.unwrap_or(false);
        let data = facts.sources.config_map(&s.name, optional)?;
        keys("configmap", data, s.items.as_deref(), mode(s.default_mode), optional, &mut out)?;
    } else if let Some(s) = &volume.secret {
        let optional = s.optional.unwrap_or(false);
        let data = facts.sources.secret(s.secret_name.as_deref().unwrap_or_default(), optional)?;
        keys("secret", data, s.items.as_deref(), mode(s.default_mode), optional, &mut out)?;
    } else if let Some(s) = &volume.downward_api {
        downward(pod, s.items.as_deref(), mode(s.default_mode), facts, &mut out)?;
    } else if let Some(s) = &volume.projected {
        let mode = mode(s.default_mode);
        for source in s.sources.iter().flatten() {
            if let Some(s) = &source.config_map {
                let optional = s.optional.unwrap_or(false);
                let data = facts.sources.config_map(&s.name, optional)?;
                keys("configmap", data, s.items.as_deref(), mode, optional, &mut out)?;
            } else if let Some(s) = &source.secret {
                let optional = s.optional.unwrap_or(false);
                let data = facts.sources.secret(&s.name, optional)?;
                keys("secret", data, s.items.as_deref(), mode, optional, &mut out)?;
            } else if let Some(s) = &source.downward_api {
                downward(pod, s.items.as_deref(), mode, facts, &mut out)?;
            } else if let Some(s) = &source.service_account_token {
                let token = tokens.get(&request(s)).cloned().unwrap_or_default();
                let (uid, group) = (common_user(pod), fs_group(pod));
                let mode = if uid.is_some() || group { 0o600 } else { mode };
                out.insert(s.path.clone(), File { bytes: token.into(), mode, uid });
            } else {
                return Err(SpecError("projected source is not supported on this node".to_owned()));
            }
        }
    }
    Ok(out)
}

fn mode(given: Option<i32>) -> u32 {
    bits(given.unwrap_or(DEFAULT_MODE))
}

fn bits(mode: i32) -> u32 {
    u32::try_from(mode).unwrap_or(0) & 0o777
}

fn fs_group(pod: &Pod) -> bool {
    pod::spec(pod).security_context.as_ref().is_some_and(|s| s.fs_group.is_some())
}

/// The user all containers run as, if they agree.
fn common_user(pod: &Pod) -> Option<u32> {
    let pods = pod::spec(pod).security_context.as_ref().and_then(|s| s.run_as_user);
    let mut users = pod::parts(pod)
        .into_iter()
        .filter(|p| p.kind != pod::Kind::Ephemeral)
        .map(|p| p.spec.security_context.as_ref().and_then(|s| s.run_as_user).or(pods))
        .collect::<BTreeSet<_>>();
    let first = users.pop_first()??;
    users.is_empty().then(|| u32::try_from(first).ok())?
}

fn keys(
    what: &str,
    data: Option<&std::sync::Arc<Data>>,
    items: Option<&[KeyToPath]>,
    mode: u32,
    optional: bool,
    out: &mut Files,
) -> Result<(), SpecError> {
    let Some(data) = data else { return Ok(()) };
    let items = items.unwrap_or_default();
    if items.is_empty() {
        let files = data.entries.iter();
        out.extend(files.map(|(k, v)| (k.clone(), File { bytes: v.clone(), mode, uid: None })));
        return Ok(());
    }
    for item in items {
        match data.entries.get(&item.key) {
            Some(value) => {
                let file = File { bytes: value.clone(), mode: item.mode.map_or(mode, bits), uid: None };
                out.insert(item.path.clone(), file);
            }
            None if optional => {}
            None => return Err(SpecError(format!("{what} references non-existent {what} key: {}", item.key))),
        }
    }
    Ok(())
}

fn downward(
    pod: &Pod,
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: u32,
    facts: Facts<'_>,
    out: &mut Files,
) -> Result<(), SpecError> {
    for item in items.unwrap_or_default() {
        let text = if let Some(f) = &item.field_ref {
            field(pod, &f.field_path, facts.ips, facts.host_ips)?
        } else if let Some(r) = &item.resource_field_ref {
            let name = r.container_name.as_deref().unwrap_or_default();
            let part = pod::part(pod, name).ok_or_else(|| SpecError(format!("container {name} not found")))?;
            resource(&part.spec, r, facts.machine)?
        } else {
            continue;
        };
        let file = File { bytes: text.into_bytes(), mode: item.mode.map_or(mode, bits), uid: None };
        out.insert(item.path.clone(), file);
    }
    Ok(())
}
