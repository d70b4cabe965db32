//! Questions to the host: when they are asked, waited for and lost.

use dana_wire::{Budget, Datum, Outcome, Question, ToWorker};

use super::support::Session;

#[test]
fn asks_overlap_and_are_waited_for_when_looked_at() {
    let mut session = Session::new();
    let source = "a = llm(\"one\")\nb = llm(\"two\")\nprint(\"both asked\")\nc = [a, b]\nprint(a + b)\n";
    session.turn += 1;
    session.send(ToWorker::Run { turn: 1, filename: None, source: source.into() }, &[]);
    assert_eq!(session.host.asked.len(), 2, "both questions go out before the first answer");
    assert_eq!(session.host.output, "both asked\n");
    let text = |text: &str| Datum::Str(text.into()).encode(&Budget::FROM_HOST).unwrap();
    let (first, second) = (session.host.asked[0].0, session.host.asked[1].0);
    session.send(ToWorker::Answer { ask: second, outcome: Outcome::Value }, &text("second"));
    assert!(session.host.ended.is_none());
    session.send(ToWorker::Answer { ask: first, outcome: Outcome::Value }, &text("first "));
    assert_eq!(session.host.ended, Some(Ok(Datum::None)));
    assert_eq!(session.host.output, "both asked\nfirst second\n");
}

#[test]
fn an_ask_waits_for_the_answers_it_carries() {
    let mut session = Session::new();
    let mut questions = Vec::new();
    let source = "a = llm(\"one\")\nb = [llm(\"two\"), {\"k\": a}]\nprint(lookup(b, n=[a]))\n";
    let (output, ended) = session.run_with(source, |question, values| match question {
        Question::Function { .. } => {
            questions.push(format!("{values:?}"));
            Ok(Datum::Str("found".into()))
        }
        Question::Reason { messages, .. } => Ok(Datum::Str(messages[1].content.to_uppercase())),
        other => panic!("{other:?}"),
    });
    assert_eq!((output.as_str(), ended), ("found\n", Ok(Datum::None)));
    assert_eq!(questions.len(), 1);
    assert!(questions[0].contains("TWO") && questions[0].matches("ONE").count() == 2, "{questions:?}");

    // A failure inside is the failure of what carries it.
    let fault =
        session.run_with("lookup([llm(\"q\")])\n", |_, _| Err("no model".into())).1.expect_err("fails");
    assert!(fault.message.contains("no model"), "{fault:?}");

    // An ask cannot wait for itself.
    let source = "l = []\np = llm(\"q\", {\"extra\": l})\nl.append(p)\nprint(p)\n";
    let fault = session.run_with(source, |_, _| panic!("nothing to ask")).1.expect_err("fails");
    assert_eq!(fault.message, "what is asked contains the answer it is waiting for");
    assert_eq!(session.value("1 + 1"), Datum::Int(2));
}

#[test]
fn what_a_sort_key_returns_may_hold_answers() {
    let mut session = Session::new();
    let source = "l = [\"aaa\", \"b\", \"cc\"]\nprint(sorted(l, key=lambda x :: [0, llm(x)]))\nl.sort(key=lambda x :: (llm(x),), reverse=true)\nprint(l, max(l, key=lambda x :: [[llm(x)]]))\nprint(sorted([[llm(x)] for x in l]))\n";
    let (output, ended) = session.run_with(source, |question, _| match question {
        Question::Reason { messages, .. } => Ok(Datum::Int(messages[1].content.len() as i64)),
        other => panic!("{other:?}"),
    });
    assert_eq!(ended, Ok(Datum::None));
    assert_eq!(output, "['b', 'cc', 'aaa']\n['aaa', 'cc', 'b'] aaa\n[[1], [2], [3]]\n");
}

#[test]
fn an_answer_that_never_came_is_an_error_later() {
    let mut session = Session::new();
    session.turn += 1;
    let source = "x = llm(\"q\")\n1 / 0\n".to_owned();
    session.send(ToWorker::Run { turn: 1, filename: None, source }, &[]);
    assert!(matches!(session.host.ended.take(), Some(Err(fault)) if fault.kind == "ZeroDivisionError"));
    session.host.asked.clear();
    let fault = session.fault("x + 1\n");
    assert_eq!(fault.message, "the turn that asked ended before the answer came");
}

#[test]
fn a_failed_ask_that_nobody_looked_at_fails_the_program() {
    let mut session = Session::new();
    let (_, ended) = session.run_with("x = 1\na = llm(\"q\")\nx = 2\n", |_, _| Err("no model".into()));
    let fault = ended.expect_err("fails");
    assert!(fault.message.contains("no model"), "{fault:?}");
    assert_eq!(fault.line, 2);
    let (output, ended) = session.run_with(
        "a = llm(\"q\")\ntry:\n    print(a)\nexcept Exception as e:\n    print(\"caught\")\n",
        |_, _| Err("no model".into()),
    );
    assert_eq!((output.as_str(), ended), ("caught\n", Ok(Datum::None)));
}

#[test]
fn reason_follows_the_annotation() {
    let mut session = Session::new();
    let (_, ended) = session.run_with("n: int = reason(\"how many?\")\nn + 1\n", |question, _| {
        let Question::Reason { expects, .. } = question else { panic!("{question:?}") };
        assert_eq!(expects.as_deref(), Some("int"));
        Ok(Datum::Str("FINAL_ANSWER: 41".into()))
    });
    assert_eq!(ended, Ok(Datum::Int(42)));
}
