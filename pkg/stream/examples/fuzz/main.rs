//! A seeded mutation fuzzer for what clients and runtimes send on streams.
//!
//! ```text
//! cargo run -p knarr-stream --example fuzz -- --seconds 60 --target spdy --seed 1
//! ```
//!
//! A target is a function over bytes that panics where an invariant breaks, and one that makes inputs to start from. Without
//! `--target` all take turns. A failing input is printed as an escaped string with the seed, and the exit code is 1;
//! `--input FILE` runs one input again. More memory than [`TOO_MUCH`] is a failure too: nothing a peer says may cost more
//! than the bounds of its buffers.

mod inputs;
mod targets;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use inputs::Random;

/// A decoder or protocol under test.
struct Target {
    name: &'static str,
    /// Makes an input to start from.
    fresh: fn(&mut Random) -> Vec<u8>,
    run: fn(&[u8]),
}

const TARGETS: &[Target] = &[
    Target { name: "frames", fresh: inputs::spdy, run: targets::frames },
    Target { name: "headers", fresh: inputs::packed, run: targets::headers },
    Target { name: "block", fresh: inputs::block, run: targets::block },
    Target { name: "spdy", fresh: inputs::spdy, run: targets::spdy },
    Target { name: "websocket", fresh: inputs::websocket, run: targets::websocket },
    Target { name: "tunnel", fresh: inputs::tunnel, run: targets::tunnel },
    Target { name: "answer", fresh: inputs::answer, run: targets::answer },
];

/// One input may take this long. Far more than any needs: the machine may be busy.
const TOO_LONG: Duration = Duration::from_secs(5);
/// All inputs of a run together may take this much memory, in KiB.
const TOO_MUCH: u64 = 64 << 10;
/// Inputs that mutants are made of.
const POOL: usize = 64;

/// Runs one target for a time; gives the number of inputs tried, or the one that failed.
fn fuzz(target: &Target, random: &mut Random, time: Duration) -> Result<u64, Vec<u8>> {
    let survives = |input: &[u8]| {
        let start = Instant::now();
        catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok() && start.elapsed() < TOO_LONG
    };
    let mut pool: Vec<Vec<u8>> = (0..POOL).map(|_| (target.fresh)(random)).collect();
    if let Some(input) = pool.iter().find(|input| !survives(input)) {
        return Err(input.clone());
    }
    let (mut tried, end) = (0, Instant::now() + time);
    while Instant::now() < end {
        let mut input = pool[random.below(POOL)].clone();
        inputs::mutate(&mut input, &pool[random.below(POOL)], random);
        tried += 1;
        if !survives(&input) {
            return Err(input);
        }
        // Mutants of mutants wander far: fresh inputs keep coming.
        match random.below(32) {
            0 => pool[random.below(POOL)] = input,
            1 => pool[random.below(POOL)] = (target.fresh)(random),
            _ => {}
        }
    }
    Ok(tried)
}

/// The most memory this process has had, in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

struct Options {
    seconds: u64,
    seed: u64,
    only: Option<String>,
    input: Option<String>,
}

fn options() -> Option<Options> {
    let mut options = Options { seconds: 10, seed: 1, only: None, input: None };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next()?;
        match flag.as_str() {
            "--seconds" => options.seconds = value.parse().ok()?,
            "--seed" => options.seed = value.parse().ok()?,
            "--target" => options.only = Some(value),
            "--input" => options.input = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

fn run(options: &Options) -> ExitCode {
    let only = options.only.as_deref();
    let chosen: Vec<&Target> = TARGETS.iter().filter(|t| only.is_none_or(|name| name == t.name)).collect();
    if chosen.is_empty() {
        eprintln!("targets: {}", TARGETS.iter().map(|t| t.name).collect::<Vec<_>>().join(" "));
        return ExitCode::from(2);
    }
    if let Some(path) = &options.input {
        let Ok(input) = std::fs::read(path) else {
            eprintln!("cannot read {path}");
            return ExitCode::from(2);
        };
        chosen.iter().for_each(|target| (target.run)(&input));
        return ExitCode::SUCCESS;
    }
    let share = Duration::from_secs(options.seconds) / u32::try_from(chosen.len()).unwrap_or(1);
    for target in chosen {
        match fuzz(target, &mut Random(options.seed), share) {
            Ok(tried) => println!("{}: {tried} inputs, seed {}, peak memory {} KiB", target.name, options.seed, peak()),
            Err(input) => {
                println!("{}: seed {}: failed on b\"{}\"", target.name, options.seed, input.escape_ascii());
                return ExitCode::FAILURE;
            }
        }
        if peak() > TOO_MUCH {
            println!("{}: seed {}: took {} KiB of memory", target.name, options.seed, peak());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: fuzz [--seconds N] [--seed N] [--target NAME] [--input FILE]");
        return ExitCode::from(2);
    };
    run(&options)
}
