//! Modules, whose sources the host gives.

use dana_wire::{Datum, Question};

use super::support::Session;

#[test]
fn modules_are_asked_for_once_and_keep_their_own_variables() {
    let sources = |question: &Question| -> Result<Datum, String> {
        let Question::Module { name, .. } = question else { panic!("{question:?}") };
        let source = match name.as_str() {
            "shapes" => {
                "print(\"loading\")\nx = 7\n_hidden = 1\nprivate:p = 2\ndef area(n):\n    return n * x\nstruct Box:\n    w: int\n"
            }
            "pack" => "",
            "pack.inner" => "from .other import y\nz = y + 1\n",
            "pack.other" => "y = 10\n",
            _ => return Ok(Datum::None),
        };
        let package = Datum::Bool(name == "pack");
        Ok(Datum::Dict(vec![
            (Datum::Str("source".into()), Datum::Str(source.into())),
            (Datum::Str("filename".into()), Datum::Str(format!("{name}.na"))),
            (Datum::Str("package".into()), package),
        ]))
    };
    let mut session = Session::new();
    let (output, ended) = session.run_with(
        "import shapes\nimport shapes as s\nfrom shapes import area, Box as B\nx = 1\nprint(shapes.x, s.area(2), area(3), B(4), shapes._hidden)\nimport pack.inner\nprint(pack.inner.z)\ntry:\n    from shapes import nothing\nexcept SandboxError as e:\n    print(e.message)\ntry:\n    import missing\nexcept SandboxError as e:\n    print(e.message)\nfrom shapes import *\nx\n",
        |question, _| sources(question),
    );
    assert_eq!(
        output,
        "loading\n7 14 21 Box(w=4) 1\n11\ncannot import name 'nothing' from 'shapes'; it has: x, area, Box\nmodule 'missing' not found\n"
    );
    assert_eq!(ended, Ok(Datum::Int(7)));
}

#[test]
fn modules_that_import_each_other() {
    let sources = |question: &Question, _: &[Datum]| -> Result<Datum, String> {
        let Question::Module { name, .. } = question else { panic!("{question:?}") };
        let source = match name.as_str() {
            // Each uses the other only when it is called.
            "even" => "import odd\ndef test(n):\n    return true if n == 0 else odd.test(n - 1)\n",
            "odd" => "import even\ndef test(n):\n    return false if n == 0 else even.test(n - 1)\n",
            // Each wants a name before the other has it.
            "hen" => "from egg import hatch\nlay = 1\n",
            "egg" => "from hen import lay\nhatch = 2\n",
            // One looks into the other while that is still running.
            "late" => "import early\nx = 1\nx = x + 1\ny = early.peek()\n",
            "early" => "import late\ndef peek():\n    return late.x\n",
            "selfish" => "import selfish\nx = 1\ny = selfish.x + 1\n",
            _ => return Ok(Datum::None),
        };
        Ok(Datum::Dict(vec![(Datum::Str("source".into()), Datum::Str(source.into()))]))
    };
    let mut session = Session::new();
    let (output, ended) = session
        .run_with("import even\nimport selfish\nimport late\nprint(even.test(7), even.odd.test(7), selfish.y, late.y)\n", sources);
    assert_eq!((output.as_str(), ended), ("False True 2 2\n", Ok(Datum::None)));
    for _ in 0..2 {
        let (_, ended) = session.run_with("import hen\n", sources);
        let fault = ended.expect_err("it cannot be");
        assert_eq!(fault.message, "cannot import name 'lay' from 'hen', which is still being imported");
        assert!(fault.hint.is_some_and(|hint| hint.contains("import each other")));
    }
    assert_eq!(session.value("even.test(4)"), Datum::Bool(true));
}
