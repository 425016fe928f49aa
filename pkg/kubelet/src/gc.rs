//! Clearing up: dead containers, sandboxes of pods that are no more, their directories and cgroups, unused images.
//!
//! A container that ended is kept while it may be asked about (`kubectl logs --previous`): the newest two of each name.
//! Everything is compared with what the API says this node should have, so nothing is removed before that is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use knarr_cri::{CriError, v1};
use knarr_daemon::{Backoff, Stop};
use tokio::time::Instant;

use crate::{
    registry::Registry,
    shared::Shared,
    sync::{Container, Observed, State, labels},
};

/// Between two looks: growing from the first to the last, and again after each event that may have left something.
const LOOKS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Clears up now, when the runtime was lost and found again, and every few minutes. Call when all pods of the node are
/// known.
pub(crate) async fn run(shared: Arc<Shared>, registry: Arc<Registry>, stop: Stop) -> Result<(), knarr_daemon::Error> {
    let mut unused: BTreeMap<String, u32> = BTreeMap::new();
    let mut pause = Backoff::new(LOOKS.0, LOOKS.1);
    let mut images_at = Instant::now();
    loop {
        if let Err(e) = orphans(&shared, &registry).await {
            tracing::debug!(error = %e, "pods that are no more could not be cleared");
        }
        for seen in registry.all().iter().map(|handle| handle.seen()) {
            for id in surplus(&seen) {
                if let Err(e) = shared.runtime.remove_container(&id).await {
                    tracing::debug!(container = id, error = %e, "dead container not removed");
                }
            }
            for id in replaced(&seen) {
                if let Err(e) = remove_sandbox(&shared, &id).await {
                    tracing::debug!(sandbox = id, error = %e, "dead sandbox not removed");
                }
            }
        }
        if images_at <= Instant::now() {
            images_at = Instant::now() + LOOKS.1;
            if let Err(e) = images(&shared, &mut unused).await {
                tracing::debug!(error = %e, "images could not be cleared");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause.next_delay()) => {}
            () = shared.runtime_found.notified() => pause.reset(),
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Dead containers beyond the newest two of each name.
fn surplus(seen: &Observed) -> Vec<String> {
    let mut count: BTreeMap<&str, u32> = BTreeMap::new();
    let mut out = Vec::new();
    for c in &seen.containers {
        let n = count.entry(&c.name).or_default();
        *n += 1;
        let dead = |c: &Container| matches!(c.state, State::Exited | State::Created);
        if *n > 2 && dead(c) {
            out.push(c.id.clone());
        }
    }
    out
}

/// Sandboxes that gave way to a newer one, and whose containers nobody can ask about any more.
fn replaced(seen: &Observed) -> Vec<String> {
    let empty = |id: &str| seen.containers.iter().all(|c| c.sandbox != id);
    seen.sandboxes.iter().skip(1).filter(|s| !s.ready && empty(&s.id)).map(|s| s.id.clone()).collect()
}

async fn remove_sandbox(shared: &Shared, id: &str) -> Result<(), CriError> {
    shared.runtime.stop_pod_sandbox(id).await?;
    shared.runtime.remove_pod_sandbox(id).await
}

/// What belongs to pods that this node does not have.
async fn orphans(shared: &Shared, registry: &Registry) -> Result<(), CriError> {
    let sandboxes = shared.runtime.list_pod_sandboxes(None).await?;
    let mut still: BTreeSet<String> = BTreeSet::new();
    for sandbox in sandboxes {
        let Some(uid) = sandbox.labels.get(labels::POD_UID) else { continue };
        if registry.get(uid).is_some() {
            continue;
        }
        tracing::info!(pod = uid, sandbox = sandbox.id, "removing a pod that is no more");
        if let Err(e) = remove_sandbox(shared, &sandbox.id).await {
            tracing::warn!(sandbox = sandbox.id, error = %e, "not removed");
            still.insert(uid.clone());
        }
    }
    let mut left = shared.volumes.pods();
    left.extend(shared.cgroups.iter().flat_map(crate::cgroups::Cgroups::known));
    for uid in left.into_iter().filter(|uid| registry.get(uid).is_none() && !still.contains(uid)) {
        if let Err(e) = shared.volumes.teardown(&uid).await {
            tracing::warn!(pod = uid, error = %e, "volumes of a pod that is no more are left");
            continue;
        }
        if let Some(cgroups) = shared.cgroups.clone() {
            let group = uid.clone();
            if let Err(e) = knarr_daemon::blocking(move || cgroups.remove(&group)).await {
                tracing::warn!(pod = uid, error = %e, "cgroup of a pod that is no more is left");
            }
        }
    }
    let links = std::fs::read_dir(&shared.config.container_logs).into_iter().flatten().flatten();
    for link in links.filter(|l| !l.path().exists() && l.path().is_symlink()) {
        let _ = std::fs::remove_file(link.path());
    }
    Ok(())
}

/// Frees what can be freed of the disk without ending a pod: dead containers and images that nobody uses.
pub(crate) async fn reclaim(shared: &Shared, registry: &Registry) {
    for handle in registry.all() {
        for c in dead(&handle.seen()) {
            let _ = shared.runtime.remove_container(&c).await;
        }
    }
    let (Ok(used), Ok(images)) = (used_images(shared).await, shared.runtime.list_images(None).await) else { return };
    for image in images.iter().filter(|i| !is_used(i, &used)) {
        tracing::info!(image = image.id, "removing an unused image: the disk is full");
        let spec = v1::ImageSpec { image: image.id.clone(), ..v1::ImageSpec::default() };
        if let Err(e) = shared.runtime.remove_image(spec).await {
            tracing::debug!(image = image.id, error = %e, "not removed");
        }
    }
}

/// Containers that ended and are not the newest of their name: that one's state and log are shown.
fn dead(seen: &Observed) -> Vec<String> {
    let newest = |c: &Container| seen.latest(&c.name).is_some_and(|n| n.id == c.id);
    let ended = seen.containers.iter().filter(|c| c.state == State::Exited && !newest(c));
    ended.map(|c| c.id.clone()).collect()
}

/// Names and ids of the images of all containers, and of those that were brought in from files: nobody could get them
/// again.
async fn used_images(shared: &Shared) -> Result<BTreeSet<String>, CriError> {
    let all = shared.runtime.list_containers(None).await?.into_iter();
    let mut used: BTreeSet<String> =
        all.flat_map(|c| [c.image_ref, c.image_id, c.image.unwrap_or_default().image]).collect();
    // A runtime that is not containerd keeps its own marks, which it tells.
    used.extend(shared.runtime.pinned_images().await.unwrap_or_default());
    Ok(used)
}

fn is_used(image: &v1::Image, used: &BTreeSet<String>) -> bool {
    let names = image.repo_digests.iter().chain(&image.repo_tags);
    image.pinned || used.contains(&image.id) || names.into_iter().any(|n| used.contains(n))
}

/// Images that no container uses, when the disk is full. Those unused for longest go first; an image must have been
/// unused at two looks before it goes.
async fn images(shared: &Shared, unused: &mut BTreeMap<String, u32>) -> Result<(), CriError> {
    let used = used_images(shared).await?;
    let images = shared.runtime.list_images(None).await?;
    let mut seen = BTreeMap::new();
    for image in images.iter().filter(|i| !is_used(i, &used)) {
        seen.insert(image.id.clone(), unused.get(&image.id).copied().unwrap_or(0).saturating_add(1));
    }
    *unused = seen;
    let (high, low) = shared.config.image_gc;
    let Some((size, free)) = disk(shared) else { return Ok(()) };
    let Some(mut excess) = excess(size, free, high, low) else { return Ok(()) };
    let mut candidates: Vec<&v1::Image> = images.iter().filter(|i| unused.get(&i.id).is_some_and(|n| *n > 1)).collect();
    candidates.sort_by_key(|i| std::cmp::Reverse(unused.get(&i.id).copied()));
    for image in candidates {
        if excess == 0 {
            break;
        }
        tracing::info!(image = image.id, "removing an unused image");
        let spec = v1::ImageSpec { image: image.id.clone(), ..v1::ImageSpec::default() };
        shared.runtime.remove_image(spec).await?;
        excess = excess.saturating_sub(image.size);
    }
    Ok(())
}

fn disk(shared: &Shared) -> Option<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(&shared.config.root).ok()?;
    Some((stat.blocks() * stat.fragment_size(), stat.blocks_available() * stat.fragment_size()))
}

/// How many bytes are to go; nothing while less than `high` percent are used.
fn excess(size: u64, free: u64, high: u8, low: u8) -> Option<u64> {
    let used = size.saturating_sub(free);
    if size == 0 || used.saturating_mul(100) < size.saturating_mul(u64::from(high)) {
        return None;
    }
    Some(used.saturating_sub(size / 100 * u64::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_sandbox_and_what_holds_logs_stay() {
        use crate::sync::Sandbox;
        let sandbox = |id: &str, attempt, ready| Sandbox { id: id.into(), attempt, ready, created: 0, ips: Vec::new() };
        let pod = crate::pod::testutil::pod(serde_json::json!({}));
        let mut seen = crate::sync::tests::seen(&pod, "app:exit0");
        seen.sandboxes = vec![
            sandbox("newest", 3, false),
            sandbox("alive", 2, true),
            sandbox("empty", 1, false),
            sandbox("s", 0, false),
        ];
        assert_eq!(replaced(&seen), ["empty"]);
    }

    #[test]
    fn images_go_only_when_the_disk_is_full() {
        assert_eq!(excess(1000, 200, 85, 80), None);
        assert_eq!(excess(1000, 100, 85, 80), Some(100));
        assert_eq!(excess(0, 0, 85, 80), None);
    }
}
