//! Making sure that an image is on the node.

use jiff::{SignedDuration, Timestamp};
use knarr_client::events::Type;
use knarr_cri::v1;

use super::{
    auth,
    job::{Job, Stage},
    start::pull_error,
};
use crate::{pod::Part, sync::StartError, translate::Image};

impl Job {
    pub(super) async fn ensure_image(&self, stage: &Stage, part: &Part<'_>) -> Result<Image, StartError> {
        let at = part.field_path();
        let asked = part.spec.image.clone().unwrap_or_default();
        let now = Timestamp::now;
        let Some(name) = with_tag(&asked) else {
            let message = format!(
                "Failed to apply default image tag {asked:?}: couldn't parse image name {asked:?}: invalid reference format"
            );
            self.event(&at, Type::Warning, "InspectFailed", message.clone());
            self.event(&at, Type::Warning, "Failed", "Error: InvalidImageName");
            return Err(StartError::new("InvalidImageName", message, now(), SignedDuration::from_secs(60)));
        };
        let spec = v1::ImageSpec { image: name.clone(), ..v1::ImageSpec::default() };
        let policy = part.spec.image_pull_policy.as_deref();
        let policy = policy.unwrap_or(if name.ends_with(":latest") { "Always" } else { "IfNotPresent" });
        if policy != "Always" {
            match self.shared.runtime.image_status(spec.clone()).await {
                Ok(Some(image)) => {
                    let message =
                        format!("Container image {asked:?} already present on machine and can be accessed by the pod");
                    self.event(&at, Type::Normal, "Pulled", message);
                    return Ok(describe(image));
                }
                Ok(None) => {}
                Err(e) => {
                    let message = format!("Failed to inspect image {asked:?}: {}", pull_error(&e));
                    self.event(&at, Type::Warning, "InspectFailed", message.clone());
                    return Err(StartError::new("ImageInspectError", message, now(), SignedDuration::from_secs(10)));
                }
            }
        }
        if policy == "Never" {
            let message = format!("Container image {asked:?} is not present with pull policy of Never");
            self.event(&at, Type::Warning, "ErrImageNeverPull", message.clone());
            self.event(&at, Type::Warning, "Failed", "Error: ErrImageNeverPull");
            return Err(StartError::new("ErrImageNeverPull", message, now(), SignedDuration::from_secs(10)));
        }
        self.event(&at, Type::Normal, "Pulling", format!("Pulling image {asked:?}"));
        // A pull takes as long as it takes: others start meanwhile.
        self.place.leave();
        let begun = std::time::Instant::now();
        let place = self.shared.pulls.acquire().await;
        let waited = begun.elapsed();
        let pulled = self.pull(stage, &name, &spec).await;
        drop(place);
        match pulled {
            Ok(image) => {
                let all = begun.elapsed();
                let (took, all) = (go_millis((all - waited).as_millis()), go_millis(all.as_millis()));
                let message = format!(
                    "Successfully pulled image {asked:?} in {took} ({all} including waiting). Image size: {} bytes.",
                    image.size
                );
                self.event(&at, Type::Normal, "Pulled", message);
                self.handle.memory.lock().pulls.remove(&name);
                Ok(describe(image))
            }
            Err(message) => {
                self.event(&at, Type::Warning, "Failed", format!("Failed to pull image {asked:?}: {message}"));
                self.event(&at, Type::Warning, "Failed", "Error: ErrImagePull");
                let (at_now, mut memory) = (now(), self.handle.memory.lock());
                let backoff = memory.pulls.entry(name).or_default();
                backoff.next(at_now, at_now);
                Err(StartError::new("ErrImagePull", message, at_now, backoff.delay(at_now)))
            }
        }
    }

    /// Pulls with each set of credentials that fits, then without.
    async fn pull(&self, stage: &Stage, name: &str, spec: &v1::ImageSpec) -> Result<v1::Image, String> {
        let secrets = stage.sources.secrets.values().flatten();
        let mut tries: Vec<Option<v1::AuthConfig>> =
            secrets.flat_map(|s| auth::credentials(s, name)).map(Some).collect();
        if tries.is_empty() {
            tries.push(None);
        }
        let mut last = String::new();
        for auth in tries {
            match self.shared.runtime.pull_image(spec.clone(), auth, Some(stage.config.clone())).await {
                Ok(_) => {
                    let found = self.shared.runtime.image_status(spec.clone()).await;
                    return found
                        .map_err(|e| pull_error(&e))?
                        .ok_or_else(|| "the image vanished after its pull".to_owned());
                }
                Err(e) => last = pull_error(&e),
            }
        }
        Err(last)
    }
}

fn describe(image: v1::Image) -> Image {
    Image { id: image.id, uid: image.uid.map(|u| u.value), user: image.username }
}

/// `1.234s`, `56ms` as Go prints durations cut to milliseconds.
fn go_millis(ms: u128) -> String {
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let fraction = format!("{:03}", rest % 1000);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let seconds = format!("{}{dot}{fraction}s", rest / 1000);
    if minutes == 0 { seconds } else { format!("{minutes}m{seconds}") }
}

/// The name with `:latest` where it has neither tag nor digest; nothing if it is no image name.
fn with_tag(image: &str) -> Option<String> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let slash = name.rfind('/').map_or(0, |i| i + 1);
    let (repository, tag) = match name[slash..].rfind(':') {
        Some(i) => (&name[..slash + i], Some(&name[slash + i + 1..])),
        None => (name, None),
    };
    let parts: Vec<&str> = repository.split('/').collect();
    let is_host = parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost");
    let plain = |p: &&str| {
        !p.is_empty()
            && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
            && p.starts_with(|c: char| c.is_ascii_alphanumeric())
            && p.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let good_tag = |t: &str| {
        !t.is_empty()
            && t.len() <= 128
            && t.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
            && !t.starts_with(['.', '-'])
    };
    let good = parts.iter().skip(usize::from(is_host)).all(plain)
        && tag.is_none_or(good_tag)
        && digest.is_none_or(|d| d.split_once(':').is_some_and(|(_, hex)| hex.len() >= 32));
    if !good {
        return None;
    }
    Some(if tag.is_none() && digest.is_none() { format!("{image}:latest") } else { image.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_a_tag_or_are_refused() {
        let table = [
            ("busybox", Some("busybox:latest")),
            ("busybox:1", Some("busybox:1")),
            ("localhost:5000/a/b", Some("localhost:5000/a/b:latest")),
            ("registry.k8s.io/pause:3.10", Some("registry.k8s.io/pause:3.10")),
            ("a@sha256:0123456789abcdef0123456789abcdef", Some("a@sha256:0123456789abcdef0123456789abcdef")),
            ("BusyBox", None),
            ("a:", None),
            ("", None),
            ("a//b", None),
            ("a@x", None),
        ];
        for (image, want) in table {
            assert_eq!(with_tag(image).as_deref(), want, "{image}");
        }
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!([5, 1000, 1230, 61_500].map(go_millis), ["5ms", "1s", "1.23s", "1m1.5s"]);
    }
}
