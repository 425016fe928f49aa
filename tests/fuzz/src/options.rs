//! The command line.

pub(crate) struct Options {
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    pub(crate) only: Option<String>,
    pub(crate) input: Option<String>,
}

pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { seconds: 10, seed: 1, only: None, input: None };
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
