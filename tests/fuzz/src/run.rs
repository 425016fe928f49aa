//! The loop.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{Random, Suite, Target, options::Options};

/// One input may take this long. Far more than any needs: the machine may be busy.
const TOO_LONG: Duration = Duration::from_secs(2);
/// Inputs that mutants are made of.
const POOL: usize = 64;
/// Mutants between two looks at the clock.
const BATCH: usize = 64;

pub(crate) fn run(suite: &Suite, options: &Options) -> ExitCode {
    let only = options.only.as_deref();
    let chosen: Vec<&Target> = suite.targets.iter().filter(|t| only.is_none_or(|name| name == t.name)).collect();
    if chosen.is_empty() {
        eprintln!("targets: {}", suite.targets.iter().map(|t| t.name).collect::<Vec<_>>().join(" "));
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
        let name = target.name;
        match fuzz(target, suite, &mut Random::new(options.seed), share) {
            Ok(Tried { inputs, slowest }) => {
                println!("{name}: {inputs} inputs, seed {}, slowest {slowest:?}, peak {} KiB", options.seed, peak());
            }
            Err(input) => {
                println!("{name}: seed {}: failed on b\"{}\"", options.seed, input.escape_ascii());
                return ExitCode::FAILURE;
            }
        }
        if peak() > suite.memory {
            println!("{name}: seed {}: took {} KiB of memory", options.seed, peak());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

struct Tried {
    inputs: u64,
    slowest: Duration,
}

/// Runs one target for a time; gives what was tried, or the input that failed.
fn fuzz(target: &Target, suite: &Suite, random: &mut Random, time: Duration) -> Result<Tried, Vec<u8>> {
    let mut pool: Vec<Vec<u8>> = (0..POOL).map(|_| (target.fresh)(random)).collect();
    if let Some(input) = pool.iter().find(|input| !survives(target, input)) {
        return Err(input.clone());
    }
    let mut tried = Tried { inputs: 0, slowest: Duration::ZERO };
    let mut left = time;
    while !left.is_zero() {
        let batch = Instant::now();
        for _ in 0..BATCH {
            let mut input = pool[random.below(POOL)].clone();
            (suite.mutate)(&mut input, &pool[random.below(POOL)], random);
            tried.inputs += 1;
            let start = Instant::now();
            if !survives(target, &input) {
                return Err(input);
            }
            let took = start.elapsed();
            if !in_time(target, &input, took) {
                return Err(input);
            }
            // Longer than that was a pause of the process.
            tried.slowest = tried.slowest.max(took.min(TOO_LONG));
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
    Ok(tried)
}

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

/// The most memory this process has had, in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(run: fn(&[u8])) -> Suite {
        let targets = Box::leak(Box::new([Target { name: "it", fresh: |r| r.bytes(4), run }]));
        Suite { targets, mutate: |input, _, random| input.push(random.byte()), memory: u64::MAX }
    }

    fn found(run: fn(&[u8])) -> Result<Tried, Vec<u8>> {
        let suite = suite(run);
        fuzz(&suite.targets[0], &suite, &mut Random::new(1), Duration::from_millis(50))
    }

    #[test]
    fn an_input_that_breaks_the_invariant_is_found_again_with_its_seed() {
        let odd: fn(&[u8]) = |input| assert!(input.len() < 5, "too long");
        let first = found(odd).err().unwrap();
        assert!(first.len() >= 5);
        assert_eq!(found(odd).err(), Some(first));
    }

    #[test]
    fn a_target_that_holds_uses_its_time() {
        assert!(found(|_| ()).is_ok_and(|t| t.inputs >= BATCH as u64));
    }
}
