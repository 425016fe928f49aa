//! Upstream's flags of the node agent, as far as they mean something here (`--kubelet-arg`).

use crate::config::{Config, ConfigError};

impl Config {
    /// Takes arguments `name=value`; those nobody knows are returned.
    ///
    /// A list on the command line was split at its commas: a piece that names a signal and no flag goes on with the
    /// value before it (`eviction-hard=memory.available<1Gi,nodefs.available<5%`).
    ///
    /// # Errors
    /// A value that cannot be understood.
    pub fn arguments(&mut self, arguments: &[String]) -> Result<Vec<String>, ConfigError> {
        let mut whole: Vec<(String, String)> = Vec::new();
        for piece in arguments {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = name.trim_start_matches('-');
            match whole.last_mut().filter(|_| name.contains(['.', '<'])) {
                Some((_, before)) => *before = format!("{before},{piece}"),
                None => whole.push((name.to_owned(), value.to_owned())),
            }
        }
        let mut unknown = Vec::new();
        for (name, value) in whole {
            if !self.argument(&name, &value)? {
                unknown.push(name);
            }
        }
        Ok(unknown)
    }

    fn argument(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, ConfigError> {
            let wrong = |_| ConfigError::Argument {
                name: name.to_owned(),
                value: value.to_owned(),
                wanted: "a value it can have",
            };
            value.parse().map_err(wrong)
        }
        match name {
            "max-pods" => self.max_pods = number(name, value)?,
            "port" => self.port = number(name, value)?,
            "image-gc-high-threshold" => self.image_gc.0 = number(name, value)?,
            "image-gc-low-threshold" => self.image_gc.1 = number(name, value)?,
            "max-parallel-image-pulls" => self.parallel_pulls = number(name, value)?,
            "serialize-image-pulls" => {
                if number(name, value)? {
                    self.parallel_pulls = 1;
                }
            }
            "container-log-max-files" => self.log_files = number(name, value)?,
            "container-log-max-size" => {
                let size: Result<knarr_api::quantity::Quantity, _> = value.parse();
                let size = size.ok().and_then(|q| u64::try_from(q.value()).ok()).filter(|n| *n > 0);
                let wrong =
                    || ConfigError::Argument { name: name.to_owned(), value: value.to_owned(), wanted: "a size" };
                self.log_size = size.ok_or_else(wrong)?;
            }
            "system-reserved" | "kube-reserved" => self.reserve(name, value)?,
            _ => return Ok(self.thresholds.set(name, value)?),
        }
        Ok(true)
    }

    /// `cpu=100m,memory=1Gi`, on top of what is kept already.
    fn reserve(&mut self, flag: &str, list: &str) -> Result<(), ConfigError> {
        use knarr_api::quantity::Quantity;
        let wrong = || ConfigError::Argument {
            name: flag.to_owned(),
            value: list.to_owned(),
            wanted: "a list of amounts such as cpu=100m,memory=1Gi",
        };
        for pair in list.split(',').filter(|pair| !pair.is_empty()) {
            let (name, amount) = pair.split_once('=').ok_or_else(wrong)?;
            let amount: Quantity = amount.parse().map_err(|_| wrong())?;
            let kept = self.reserved.get(name).and_then(|q| q.parse().ok()).unwrap_or(Quantity::ZERO);
            self.reserved.insert(name.to_owned(), (kept + amount).to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pressure::{Amount, Signal};

    fn of(arguments: &[&str]) -> Result<(Config, Vec<String>), String> {
        let mut config = Config::new("n", [10, 0, 0, 1].into());
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let unknown = config.arguments(&arguments).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok((config, unknown))
    }

    #[test]
    fn arguments_are_upstreams() {
        let (c, unknown) = of(&[
            "max-pods=7",
            "eviction-hard=memory.available<1Gi",
            "nodefs.available<5%",
            "system-reserved=cpu=100m",
            "kube-reserved=cpu=150m",
            "container-log-max-size=5Mi",
            "serialize-image-pulls=true",
            "feature-gates=A=true",
        ])
        .unwrap();
        assert_eq!((c.max_pods, c.log_size, c.reserved["cpu"].as_str()), (7, 5 << 20, "250m"));
        let hard = [(Signal::Memory, Amount::Absolute(1 << 30)), (Signal::NodeDisk, Amount::Part(0.05))];
        assert_eq!(c.thresholds.hard, hard.into());
        assert_eq!((c.parallel_pulls, unknown), (1, vec!["feature-gates".to_owned()]));
    }

    #[test]
    fn wrong_values_are_named() {
        assert_eq!(of(&["max-pods=many"]).unwrap_err(), r#"max-pods: "many" is not a value it can have"#);
        assert!(of(&["system-reserved=cpu"]).unwrap_err().contains("amounts"));
        assert!(of(&["eviction-soft=memory.available<1Gi"]).unwrap_err().contains("grace period"));
    }
}
