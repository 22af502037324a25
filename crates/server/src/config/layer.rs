//! Merges the four layers into one text value per key and remembers who set it.
//!
//! Values stay text here, so that all layers meet the same parser; meaning comes in `build`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::DEFAULT_FILE;
use super::error::ConfigError;
use super::key::{self, Form, KEYS, Key};

/// The file that is read when nobody names one; it may be absent.
const FILE_NAME: &str = "stagedoor.toml";

/// A configuration file over this is a mistake; ours is about 10 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    /// The variable as it was written, so `DATABASE_URL_FILE` rather than `DATABASE_URL`.
    Environment(String),
    CommandLine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config FILE`
    pub file: Option<PathBuf>,
    /// `--set key=value`, in the order given, and flags such as `--listen` as pairs of their own.
    pub set: Vec<(String, String)>,
}

/// Everything a configuration is made from.
#[derive(Debug, Clone)]
pub struct Inputs {
    pub overrides: Overrides,
    pub environment: BTreeMap<OsString, OsString>,
    /// Where `stagedoor.toml` is looked for.
    pub folder: PathBuf,
}

impl Inputs {
    pub(super) fn of_this_process(overrides: &Overrides) -> Self {
        Self {
            overrides: overrides.clone(),
            environment: std::env::vars_os().collect(),
            folder: PathBuf::new(),
        }
    }
}

/// One key's text and who set it.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    pub(super) text: String,
    pub(super) secret: bool,
    pub source: Source,
}

impl Setting {
    /// The value for people to see: a secret shows only that it is set.
    pub fn shown(&self) -> &str {
        if self.secret && !self.text.is_empty() {
            "********"
        } else {
            &self.text
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {}", self.shown(), self.source)
    }
}

/// The merged values by key.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Every key with its value, in the order of [`KEYS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        KEYS.iter()
            .filter_map(|key| Some((key, self.0.get(key.name)?)))
    }

    /// Nothing for a name that is no key.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }
}

/// Merges all layers. What can't be read is an error in the second part, and the rest goes on.
pub(super) fn merge(inputs: &Inputs) -> (Settings, Vec<ConfigError>) {
    let mut merging = Merging::default();
    merging.toml(DEFAULT_FILE, &Source::Default);
    merging.file(inputs);
    merging.environment(&inputs.environment);
    for (name, text) in &inputs.overrides.set {
        merging.named(name, text.clone(), &Source::CommandLine);
    }
    merging.finish_layer();
    (Settings(merging.merged), merging.errors)
}

#[derive(Default)]
struct Merging {
    merged: BTreeMap<&'static str, Setting>,
    /// The layer that is being read: a key may come once, as value or as file.
    layer: BTreeMap<&'static str, (Form, Setting)>,
    errors: Vec<ConfigError>,
}

impl Merging {
    fn file(&mut self, inputs: &Inputs) {
        let named = inputs.overrides.file.clone().or_else(|| {
            let name = inputs
                .environment
                .get(&OsString::from("STAGEDOOR_CONFIG"))?;
            (!name.is_empty()).then(|| PathBuf::from(name))
        });
        let path = named
            .clone()
            .unwrap_or_else(|| inputs.folder.join(FILE_NAME));
        match read_limited(&path) {
            Ok(text) => self.toml(&text, &Source::File(path)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let detail = format!("can't be read: {error}");
                let key = path.display().to_string();
                self.errors
                    .push(ConfigError::new(&key, detail, &Source::File(path)));
            }
        }
    }

    fn toml(&mut self, text: &str, source: &Source) {
        match text.parse::<toml::Table>() {
            Ok(table) => {
                for (name, value) in table {
                    match text_of(&value) {
                        Some(text) => self.named(&name, text, source),
                        None => self.not_a_value(&name, source),
                    }
                }
            }
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                let detail = format!("is not TOML in line {line}: {}", error.message());
                self.errors
                    .push(ConfigError::new("the file", detail, source));
            }
        }
        self.finish_layer();
    }

    fn environment(&mut self, variables: &BTreeMap<OsString, OsString>) {
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else {
                continue;
            };
            let source = Source::Environment(variable.to_owned());
            match key::by_variable(variable) {
                Some((key, form)) => match value.to_str() {
                    Some(text) => self.set(key, form, text.to_owned(), &source),
                    None => self
                        .errors
                        .push(ConfigError::new(key.name, "is not UTF-8", &source)),
                },
                None if key::is_ours(variable) => {
                    let advice = key::advice_for_variable(variable);
                    let detail = format!("is no variable of stagedoor; {advice}");
                    self.errors
                        .push(ConfigError::new(variable, detail, &source));
                }
                None => {}
            }
        }
        self.finish_layer();
    }

    fn named(&mut self, name: &str, text: String, source: &Source) {
        if let Some((key, form)) = key::by_name(name) {
            self.set(key, form, text, source);
        } else {
            self.unknown(name, source);
        }
    }

    fn not_a_value(&mut self, name: &str, source: &Source) {
        if key::by_name(name).is_some() {
            let detail = "must be a text, a number, true or false, or a list of texts";
            self.errors.push(ConfigError::new(name, detail, source));
        } else {
            self.unknown(name, source);
        }
    }

    fn unknown(&mut self, name: &str, source: &Source) {
        let detail = format!("is no key; {}", key::advice_for_name(name));
        self.errors.push(ConfigError::new(name, detail, source));
    }

    fn set(&mut self, key: &'static Key, form: Form, text: String, source: &Source) {
        if let Some((other, setting)) = self.layer.get(key.name)
            && *other != form
            && !setting.text.is_empty()
        {
            // An empty variable beside a filled one is how container tools pass "not this form".
            if !text.is_empty() {
                let detail = format!("is set twice: as {0} and as {0}_file; keep one", key.name);
                self.errors.push(ConfigError::new(key.name, detail, source));
            }
            return;
        }
        let setting = Setting {
            text,
            secret: key.secret,
            source: source.clone(),
        };
        self.layer.insert(key.name, (form, setting));
    }

    /// Lays the finished layer over the ones below; `…_file` forms are read now.
    fn finish_layer(&mut self) {
        for (name, (form, mut setting)) in std::mem::take(&mut self.layer) {
            if form == Form::File {
                if setting.text.is_empty() {
                    continue;
                }
                match read_limited(Path::new(&setting.text)) {
                    Ok(text) => text
                        .trim_end_matches(['\r', '\n'])
                        .clone_into(&mut setting.text),
                    Err(error) => {
                        let detail = format!("can't be read from {}: {error}", setting.text);
                        self.errors
                            .push(ConfigError::new(name, detail, &setting.source));
                        continue;
                    }
                }
            }
            self.merged.insert(name, setting);
        }
    }
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // Reading rather than asking for the size: a secret may come through a pipe.
    let read = std::fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!(
            "it is longer than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

/// Lists become comma-separated text, the form that they have in the environment.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
