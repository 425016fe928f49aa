//! Whatever a pod asks for, and whenever it is told to go: nothing of it is left on the node.

mod pods;

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

pub use pods::Dice;

use crate::{
    http::Connection,
    node::Node,
    poll::{interrupted, secs, until},
    suite::{Case, Env, Place::Own, case},
};

pub const CASES: &[Case] = &[case("faults/random pods leave nothing", Own(random))];

/// Pods at once.
const BATCH: usize = 20;
/// The seed when none is given in `KNARR_SEED`: failures are the same everywhere.
const SEED: u64 = 36;

const PODS: &str = "/api/v1/namespaces/random/pods";

fn random(env: &Env, node: &Node) -> Result<()> {
    let seed = std::env::var("KNARR_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED);
    let count = if env.long { 1000 } else { 40 };
    let mut dice = Dice::new(seed);
    node.namespace("random")?;
    let kubectl = node.kubectl("random");
    kubectl.ok("create configmap there --from-literal=a=alpha")?;
    kubectl.ok("create secret generic there --from-literal=key=hidden")?;
    // Endpoints of what is ready come and go in the packet filter.
    kubectl.ok("create service clusterip random --tcp=80:81")?;
    let host = env.work.join("random");
    fs::create_dir_all(&host)?;
    fs::write(host.join("kept"), "by the host")?;
    let host = host.display().to_string();
    let baseline = until(secs(20), "the node to be at rest", || {
        let before = node.holdings()?;
        std::thread::sleep(Duration::from_millis(500));
        ensure!(before == node.holdings()?, "it changes");
        Ok(before)
    })?;
    let begun = Instant::now();
    for first in (0..count).step_by(BATCH) {
        let numbers = first..(first + BATCH).min(count);
        let what = format!("pods {}..{} of seed {seed}", numbers.start, numbers.end);
        batch(node, &mut dice, numbers, &host).with_context(|| what.clone())?;
        until(secs(60), "nothing to be left", || {
            let left: Vec<String> = node.holdings()?.difference(&baseline).cloned().collect();
            ensure!(left.is_empty(), "left behind:\n{}", left.join("\n"));
            Ok(())
        })
        .context(what)?;
    }
    ensure!(fs::read_to_string(format!("{host}/kept"))? == "by the host", "the host's own file was changed");
    println!("       {count} random pods of seed {seed} in {:.0} s", begun.elapsed().as_secs_f32());
    Ok(())
}

/// What is done to a pod, and when.
enum Deed {
    Create(String),
    Delete(&'static str),
}

/// Makes pods and deletes them at random moments, then waits until they are gone.
fn batch(node: &Node, dice: &mut Dice, numbers: std::ops::Range<usize>, host: &str) -> Result<()> {
    let mut deeds: Vec<(Duration, usize, Deed)> = Vec::new();
    for n in numbers {
        let born = Duration::from_millis(dice.below(2000));
        let life = Duration::from_millis(match dice.below(10) {
            0 => 0,
            1..=4 => dice.below(1000),
            5..=7 => dice.below(4000),
            _ => 4000 + dice.below(6000),
        });
        deeds.push((born, n, Deed::Create(pods::pod(dice, n, host).to_string())));
        let grace = ["", "", "", "?gracePeriodSeconds=0", "?gracePeriodSeconds=1"];
        let grace = grace[usize::try_from(dice.below(5))?];
        deeds.push((born + life, n, Deed::Delete(grace)));
        // Who does not go fast enough is told again.
        if dice.percent(20) {
            deeds.push((
                born + life + Duration::from_millis(dice.below(2000)),
                n,
                Deed::Delete("?gracePeriodSeconds=0"),
            ));
        }
    }
    deeds.sort_by_key(|(at, n, deed)| (*at, *n, matches!(deed, Deed::Delete(_))));
    let (begun, api) = (Instant::now(), node.api()?);
    let mut connection = api.connect()?;
    for (at, n, deed) in deeds {
        std::thread::sleep((begun + at).saturating_duration_since(Instant::now()));
        ensure!(!interrupted(), "interrupted");
        act(&mut connection, n, &deed)?;
        if !connection.alive {
            connection = api.connect()?;
        }
    }
    until(secs(90), "the pods to go", || {
        let list = api.get(PODS)?.json()?;
        let left: Vec<String> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| format!("{}: {}", p["metadata"]["name"], json!({"spec": p["spec"], "status": p["status"]})))
            .collect();
        ensure!(left.is_empty(), "still there:\n{}", left.join("\n"));
        Ok(())
    })
}

fn act(connection: &mut Connection, n: usize, deed: &Deed) -> Result<()> {
    let (answer, accepted) = match deed {
        Deed::Create(body) => (connection.request("POST", PODS, "application/json", body.as_bytes())?, &[201][..]),
        Deed::Delete(grace) => {
            (connection.request("DELETE", &format!("{PODS}/random-{n}{grace}"), "", b"")?, &[200, 202, 404][..])
        }
    };
    let body = if let Deed::Create(body) = deed { body } else { "" };
    ensure!(accepted.contains(&answer.status), "pod {n}: {} {} for {body}", answer.status, answer.text());
    Ok(())
}
