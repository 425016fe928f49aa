//! A seeded mutation fuzzer for everything that reads outside bytes.
//!
//! ```text
//! cargo run -p knarr-catalog --example fuzz -- --seconds 60 --target json --seed 1
//! ```
//!
//! Each target is a function over bytes that panics where an invariant breaks, and a function that makes inputs to
//! start from: written ones, and objects grown from the tables of the built-in types. To join, a decoder adds a line
//! to [`TARGETS`]. Without `--target` all take turns. A failing input is printed as an escaped string together with
//! the seed, and the exit code is 1; `--input FILE` runs one input again. An input that takes longer than
//! [`TOO_LONG`], or a run that takes more memory than [`TOO_MUCH`], is a failure too.
//!
//! Build it with `CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true`: a release build does not look for overflows by itself.

mod codecs;
mod grow;
mod hooks;
mod kinds;
mod mutate;
mod ownership;
mod patches;
mod words;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use mutate::{Random, mutate};

/// A decoder under test.
struct Target {
    name: &'static str,
    /// Makes an input to start from.
    fresh: fn(&mut Random) -> Vec<u8>,
    run: fn(&[u8]),
}

const TARGETS: &[Target] = &[
    Target { name: "json", fresh: codecs::json_seed, run: codecs::json_round_trip },
    Target { name: "yaml", fresh: codecs::yaml_seed, run: codecs::yaml_round_trip },
    Target { name: "proto", fresh: codecs::proto_seed, run: codecs::proto_round_trip },
    Target { name: "envelope", fresh: codecs::envelope_seed, run: codecs::envelope },
    Target { name: "normalise", fresh: codecs::object_seed, run: codecs::canonical_form },
    Target { name: "json-patch", fresh: patches::json_seed, run: patches::json },
    Target { name: "merge-patch", fresh: patches::pair_seed, run: patches::merge },
    Target { name: "strategic", fresh: patches::pair_seed, run: patches::strategic },
    Target { name: "apply", fresh: ownership::story_seed, run: ownership::story },
    Target { name: "fields", fresh: ownership::sets_seed, run: ownership::sets },
    Target { name: "hooks", fresh: codecs::object_seed, run: hooks::write },
    Target { name: "selector", fresh: words::selector_seed, run: words::selector },
    Target { name: "quantity", fresh: words::quantity_seed, run: words::amount },
    Target { name: "time", fresh: words::time_seed, run: words::moment },
];

/// One input may take this long. Far more than any needs: the machine may be busy.
const TOO_LONG: Duration = Duration::from_secs(2);
/// All inputs of a run together may take this much memory, in KiB.
const TOO_MUCH: u64 = 256 << 10;
/// The stack of the threads that serve requests.
const STACK: usize = 2 << 20;

fn survives(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok()
}

/// Whether an input is dealt with in time. A slow one gets more chances, for the fault may be the machine's.
fn in_time(target: &Target, input: &[u8], took: Duration) -> bool {
    let mut took = took;
    for _ in 0..3 {
        if took < TOO_LONG {
            return true;
        }
        let start = Instant::now();
        (target.run)(input);
        took = start.elapsed();
    }
    println!("{}: {took:?} for one input", target.name);
    false
}

/// Runs one target for a time; gives the number of inputs tried, or the one that failed.
fn fuzz(target: &Target, random: &mut Random, time: Duration) -> Result<u64, Vec<u8>> {
    const POOL: usize = 64;
    let mut pool: Vec<Vec<u8>> = (0..POOL).map(|_| (target.fresh)(random)).collect();
    if let Some(input) = pool.iter().find(|input| !survives(target, input)) {
        return Err(input.clone());
    }
    let mut tried = 0;
    let mut slowest = Duration::ZERO;
    let mut left = time;
    while !left.is_zero() {
        let batch = Instant::now();
        for _ in 0..64 {
            let mut input = pool[random.below(POOL)].clone();
            mutate(&mut input, &pool[random.below(POOL)], random);
            tried += 1;
            let start = Instant::now();
            if !survives(target, &input) {
                return Err(input);
            }
            let took = start.elapsed();
            if !in_time(target, &input, took) {
                return Err(input);
            }
            // Longer than that was a pause of the process.
            slowest = slowest.max(took.min(TOO_LONG));
            // Mutants of mutants wander far: fresh inputs keep coming.
            match random.below(32) {
                0 => pool[random.below(POOL)] = input,
                1 => pool[random.below(POOL)] = (target.fresh)(random),
                _ => {}
            }
        }
        // A pause of the process is not work.
        left = left.saturating_sub(batch.elapsed().min(TOO_LONG));
    }
    println!("{}: slowest input {slowest:?}, peak memory {} KiB", target.name, peak());
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
            Ok(tried) => println!("{}: {tried} inputs, seed {}", target.name, options.seed),
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
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || run(&options));
    thread.map_or(ExitCode::FAILURE, |t| t.join().unwrap_or(ExitCode::FAILURE))
}
