//! `reason`, `llm` and `set_model`: the functions that ask the model.
//!
//! The first two return a promise at once. What the reply becomes is decided when it arrives, before anybody sees it.

use std::rc::Rc;

use dana_wire::{Message, Question};

use crate::coerce::{self, value_of};
use crate::library::native::{Body, Call, Continuation, Native, Param, Step, Take};
use crate::session::{AsIs, Services, Settle, Settled};
use crate::text;
use crate::value::structure::Annotation;
use crate::value::{Iter, Raise, Value, memory};

use super::fit::{Misfit, fit};
use super::{options, prompt, reply, schema, untyped};

/// How often a reply that does not fit is asked for again.
const ASKED_AGAIN: u8 = 2;

static ASKING: [Param; 4] = [
    Param::new("prompt", Take::Either),
    Param::new("options", Take::Optional),
    Param::new("use_mock", Take::Optional),
    Param::new("kwargs", Take::Keywords),
];

static MODEL: [Param; 2] = [Param::new("name", Take::Optional), Param::new("options", Take::Optional)];

const fn native(
    name: &'static str,
    params: &'static [Param],
    body: fn(&mut Call<'_>) -> Result<Value, Raise>,
) -> Native {
    Native { name, params, body: Body::Plain(body), protected: true }
}

pub(crate) static FUNCTIONS: &[Native] = &[
    native("reason", &ASKING, reason),
    native("context_aware_reason", &ASKING, reason),
    native("llm", &ASKING, llm),
    Native { name: "set_model", params: &MODEL, body: Body::Steps(set_model), protected: true },
];

/// The request before the type has shaped it.
struct Request {
    prompt: String,
    options: options::Options,
}

fn request(call: &mut Call<'_>) -> Result<Request, Raise> {
    let name = call.native.name;
    let Some(prompt) = call.arg(0).as_text() else {
        let kind = call.arg(0).type_name();
        return Err(Raise::sandbox(format!("{name}() needs a prompt of type str, not '{kind}'")));
    };
    if prompt.trim().is_empty() {
        return Err(Raise::sandbox(format!("{name}() needs a prompt that is not empty")));
    }
    memory::reserve(prompt.len().saturating_mul(4))?;
    let mut options = options::read(call.given(1), call.keywords, call.services)?;
    if let Some(mock) = call.given(2)
        && !mock.is_none()
    {
        options.table.insert(Value::str("use_mock"), Value::bool(crate::value::truth::plain(mock)?))?;
    }
    let prompt = match options.data.take() {
        Some(data) => format!("{}\n\nData:\n{data}", &*prompt),
        None => prompt.to_string(),
    };
    Ok(Request { prompt, options })
}

fn reason(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Request { prompt, options } = request(call)?;
    let expects = options.returns.clone().or_else(|| call.expects.clone());
    let schema = expects.as_deref().and_then(|expects| schema::of(expects, call.services));
    let content = match &expects {
        Some(expects) => prompt::enhanced(&prompt, expects, schema.as_deref(), call.services),
        None => prompt,
    };
    let reading = match expects {
        Some(expects) => Reading::Typed(expects),
        None if options.json => Reading::Json,
        None => Reading::Untyped,
    };
    ask(call, "reason", content, options, reading, schema)
}

fn llm(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Request { prompt, options } = request(call)?;
    if options.returns.is_some() {
        return Err(Raise::sandbox("llm() always gives text; reason() takes the option 'returns'"));
    }
    let reading = if options.json { Reading::Json } else { Reading::Text };
    ask(call, "llm", prompt, options, reading, None)
}

fn ask(
    call: &mut Call<'_>,
    purpose: &str,
    content: String,
    options: options::Options,
    reading: Reading,
    schema: Option<String>,
) -> Result<Value, Raise> {
    let system = options.system.unwrap_or_else(|| prompt::SYSTEM.to_owned());
    let message = |role: &str, content: String| Message { role: role.to_owned(), content };
    let messages = vec![message("system", system), message("user", content)];
    let conversation = Conversation {
        purpose: purpose.to_owned(),
        messages,
        options: Value::dict(options.table),
        reading,
        schema,
        again: ASKED_AGAIN,
    };
    let question = conversation.question();
    let arguments = vec![conversation.options.clone()];
    let promise = call.services.ask(question, arguments, Box::new(conversation))?;
    Ok(Value::Promise(promise))
}

/// What a reply is to become.
enum Reading {
    Typed(Rc<Annotation>),
    Json,
    Untyped,
    Text,
}

/// What has been said so far, and what the answer must be.
struct Conversation {
    purpose: String,
    messages: Vec<Message>,
    options: Value,
    reading: Reading,
    schema: Option<String>,
    /// How often it may still be asked again.
    again: u8,
}

impl Conversation {
    fn question(&self) -> Question {
        let expects = match &self.reading {
            Reading::Typed(expects) => Some(expects.to_string()),
            _ => None,
        };
        Question::Reason {
            purpose: self.purpose.clone(),
            messages: self.messages.clone(),
            expects,
            schema: self.schema.clone(),
        }
    }

    fn read(&self, answer: &Value, services: &Services) -> Result<Value, Misfit> {
        let source = answer.as_text();
        match (&self.reading, source) {
            (Reading::Typed(expects), Some(source)) => reply::read(&source, expects, services),
            (Reading::Typed(expects), None) => fit(answer, expects, "answer", services),
            (Reading::Json, Some(source)) => match value_of(text::unfenced(&source)) {
                Ok(value) => Ok(value),
                Err(coerce::Unreadable::Raise(raise)) => Err(Misfit::Raise(raise)),
                Err(coerce::Unreadable::Mistake(_)) => Ok(answer.clone()),
            },
            (Reading::Untyped, Some(source)) => Ok(untyped::value_of(&source)),
            (Reading::Json | Reading::Untyped | Reading::Text, _) => Ok(answer.clone()),
        }
    }

    /// The same question once more, with the reply that did not fit and the reason.
    fn once_more(&mut self, answer: &Value, why: &str) -> Settled {
        let said = crate::value::repr::display(answer).unwrap_or_default();
        let request = format!(
            "That reply cannot be used: {why}. Answer the original question again, in exactly the requested format."
        );
        let message = |role: &str, content: String| Message { role: role.to_owned(), content };
        // Only the last attempt is repeated, so that a conversation does not grow.
        self.messages.truncate(2);
        self.messages.push(message("assistant", said));
        self.messages.push(message("user", request));
        self.again -= 1;
        Settled::Again { question: self.question(), arguments: vec![self.options.clone()] }
    }
}

impl Settle for Conversation {
    fn settle(&mut self, answer: Result<Value, Raise>, services: &mut Services) -> Settled {
        let answer = match answer {
            Ok(answer) => answer,
            Err(raise) => return Settled::Broken(failed(raise)),
        };
        match self.read(&answer, services) {
            Ok(value) => Settled::Kept(value),
            Err(Misfit::Raise(raise)) => Settled::Broken(raise),
            Err(Misfit::Because(why)) if self.again > 0 => self.once_more(&answer, &why),
            Err(Misfit::Because(why)) => {
                let wanted = match &self.reading {
                    Reading::Typed(expects) => expects.to_string(),
                    _ => "any".to_owned(),
                };
                let said = crate::value::repr::display(&answer).unwrap_or_default();
                Settled::Broken(Raise::sandbox(format!(
                    "LLM call failed: no reply of type '{wanted}' in {} attempts: {why}; last reply: '{}'",
                    ASKED_AGAIN + 1,
                    reply::shortened(&said)
                )))
            }
        }
    }
}

/// A failure of the host's model, told as one; limits stay what they are.
pub(crate) fn failed(raise: Raise) -> Raise {
    match raise.as_error() {
        Some(error) if error.limit.is_none() => {
            Raise::sandbox(format!("LLM call failed: {}: {}", error.kind(), error.message)).of_ask(error.ask)
        }
        _ => raise,
    }
}

/// The host's name for choosing a model.
const CHOOSE: &str = "set_model";

/// Chooses the model of all further requests of the session; the host resolves the name. Without one, lists them.
fn set_model(call: &mut Call<'_>) -> Result<Step, Raise> {
    let name = call.given(0).filter(|name| !name.is_none());
    if name.is_some_and(|name| name.as_text().is_none_or(|text| text.trim().is_empty())) {
        return Err(Raise::sandbox("set_model() needs the name of a model, such as 'openai:gpt-4o-mini'"));
    }
    if call.services.functions.contains_key(CHOOSE) {
        let question = Question::Function { name: CHOOSE.to_owned(), positional: 1, keywords: Vec::new() };
        let promise =
            call.services.ask(question, vec![name.cloned().unwrap_or(Value::None)], Box::new(AsIs))?;
        return Ok(Step::Wait { promise, then: Box::new(Chosen) });
    }
    Box::new(Chosen).resume(name.cloned().unwrap_or(Value::list(Vec::new())), call.services)
}

/// The host has resolved a name, or listed its models.
struct Chosen;

impl Continuation for Chosen {
    fn resume(self: Box<Self>, answer: Value, services: &mut Services) -> Result<Step, Raise> {
        if let Some(name) = answer.as_text() {
            services.model = Some(name.trim().into());
            return Ok(Step::Done(Value::str(name.trim())));
        }
        match &services.model {
            Some(model) => services.print(&format!("model: {model}\n"))?,
            None => services.print("model: chosen by the host\n")?,
        }
        for model in Iter::of(&answer)?.collect()? {
            services.print(&format!("{}\n", crate::value::repr::display(&model)?))?;
        }
        Ok(Step::Done(Value::None))
    }
}
