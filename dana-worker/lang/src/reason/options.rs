//! The options of a request, checked before anything is sent.

use std::rc::Rc;

use crate::session::Services;
use crate::value::structure::Annotation;
use crate::value::{DictObj, Raise, Table, Value, grid_text};

use super::returns;

/// Bytes of data in a prompt; what is left out is said there.
const DATA_BYTES: usize = 32 << 10;

/// The options of one request.
pub(super) struct Options {
    /// Everything but the system message, for the host.
    pub(super) table: Table<Value>,
    pub(super) system: Option<String>,
    /// The reply is JSON.
    pub(super) json: bool,
    /// What the question is about, as text.
    pub(super) data: Option<String>,
    /// The type the reply is to be of.
    pub(super) returns: Option<Rc<Annotation>>,
}

/// Reads the options dict and the further keyword arguments.
pub(super) fn read(
    given: Option<&Value>,
    keywords: &[(Rc<str>, Value)],
    services: &Services,
) -> Result<Options, Raise> {
    let mut options = Options { table: Table::new(), system: None, json: false, data: None, returns: None };
    match given {
        None | Some(Value::None) => {}
        Some(Value::Dict(dict)) => {
            for (key, value) in entries(dict) {
                let Some(name) = key.as_text() else {
                    return Err(Raise::sandbox(format!("option names are texts, not '{}'", key.type_name())));
                };
                options.set(&name, &value.observe()?)?;
            }
        }
        Some(other) => {
            return Err(Raise::sandbox(format!("options must be a dict, not '{}'", other.type_name())));
        }
    }
    for (name, value) in keywords {
        options.set(name, &value.observe()?)?;
    }
    if let Some(model) = &services.model
        && options.table.get_str("model").is_none()
    {
        options.table.insert(Value::str("model"), Value::str(model))?;
    }
    Ok(options)
}

/// The options of a request that names none itself.
pub(crate) fn defaults(services: &Services) -> Result<Table<Value>, Raise> {
    read(None, &[], services).map(|options| options.table)
}

fn entries(dict: &DictObj) -> Vec<(Value, Value)> {
    dict.table.borrow().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
}

impl Options {
    fn set(&mut self, name: &str, value: &Value) -> Result<(), Raise> {
        if value.is_none() {
            return Ok(());
        }
        let refuse = |wanted: &str| Err(Raise::sandbox(format!("{name} must be {wanted}")));
        match name {
            "data" => {
                self.data = Some(grid_text::data(value, DATA_BYTES)?);
                return Ok(());
            }
            "system_message" => {
                let Some(text) = value.as_text() else { return refuse("a string") };
                self.system = Some(text.to_string());
                return Ok(());
            }
            "returns" => {
                let Some(annotation) = value.as_text().and_then(|text| returns::read(&text)) else {
                    return refuse("the text of a type, such as 'list[int]'");
                };
                self.returns = Some(Rc::new(annotation));
                return Ok(());
            }
            "temperature" => {
                let number = match value {
                    Value::Float(number) => number.get(),
                    Value::Int(0) => 0.0,
                    Value::Int(1) => 1.0,
                    Value::Int(2) => 2.0,
                    _ => f64::NAN,
                };
                if !(0.0..=2.0).contains(&number) {
                    return refuse("a number between 0.0 and 2.0");
                }
            }
            "max_tokens" if !matches!(value, Value::Int(1..) | Value::True) => {
                return refuse("a positive integer");
            }
            "format" => {
                let text = value.as_text();
                match text.as_deref() {
                    Some("json") => self.json = true,
                    Some("text") => {}
                    _ => return refuse("'text' or 'json'"),
                }
            }
            _ => {}
        }
        self.table.insert(Value::str(name), value.clone())?;
        Ok(())
    }
}
