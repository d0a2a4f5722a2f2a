// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Testing

@testable import TUI

@Suite struct ComposeTests {
    @Test func `the equivalent command line survives the shell`() {
        let spec = TaskSpec(command: "echo 'a b' $HOME", params: ["cwd": .string("/srv/a b")], timeout: 90)
        let line = EquivalentCommand.run(TargetSelector(agents: ["web-1"], labels: ["role": "db"]), spec)
        #expect(line == #"tiangong run -a web-1 -l role=db --cwd '/srv/a b' --timeout 90s -- 'echo '\''a b'\'' $HOME'"#)
    }

    /// What is shown as the same is read by the command line, and says the same.
    @Test(arguments: [Scene.run, Scene.hostRun, SceneExecutors.run])
    func `the equivalent command line means what the form says`(run: RunRecord) throws {
        let schema = run.spec.type == "release-train" ? SceneExecutors.plugin : nil
        let words = try ShellWords.split(
            EquivalentCommand.run(TargetSelector(labels: ["role": "db"]), run.spec, schema))
        let command = try TiangongCommand.parseAsRoot(Array(words.dropFirst()))
        let spec: TaskSpec
        if let plugin = command as? PluginRunCommand, let schema {
            #expect(plugin.named.name == "release-train")
            spec = try SchemaRequest(schema: schema, words: plugin.named.words, text: plugin.text)
                .make(plugin.targets.selector(), plugin.options, .table).spec
        } else {
            spec = try #require(command as? ShellRunCommand).request(readInput: { [] }).spec
        }
        #expect(spec == run.spec)
    }

    @Test(arguments: ["", "m", "soon", "-5", "1e9", "5 m", "0x10"]) func `what is no time is refused`(_ text: String) {
        var compose = ComposeState()
        compose[.command] = TextField("id")
        compose[.timeout] = TextField(text)
        let error = text.isEmpty ? nil : #expect(throws: DeployError.self) { try compose.spec() }
        #expect(text.isEmpty || error?.message.hasPrefix("Timeout: ") == true)
    }

    @Test func `words may be quoted as in a shell`() throws {
        #expect(
            try ShellWords.split(#"A=1 B='two words' C="" D=it\'s "a\"b\c" \  "#)
                == ["A=1", "B=two words", "C=", "D=it's", #"a"b\c"#, " "])
        for words in [["a", "", "it's", "a b", "\\", "\"", "$x", "天工", "-x"], []] {
            #expect(try ShellWords.split(ShellWords.display(words)) == words)
        }
        for open in ["A='open", "\"", "x\\"] { #expect(throws: DeployError.self) { try ShellWords.split(open) } }
    }

    // MARK: Forms of any type

    @Test func `every kind of parameter has a text that stands for it`() throws {
        let run = SceneExecutors.run
        for parameter in SceneExecutors.plugin.parameters {
            let value = try #require(run.spec.params[parameter.name])
            let form = ParameterForm(parameter: parameter, type: "release-train")
            let back = try form.value(form.text(value))
            #expect(
                back == value || back.doubleValue == value.doubleValue && value.doubleValue != nil, "\(parameter.name)")
        }
    }

    @Test(arguments: [
        ("track", "red", "params.track is none of"), ("waves", "'open", "Waves: a quote is not closed"),
        ("settings", "x", "Settings: 'x' has no NAME="), ("settings", "A=secret:no/name", "does not name a secret"),
        ("signing_key", "a b", "Signing key 'a b' is not the name of a secret"),
        ("pause", "soon", "Pause 'soon' is not"),
        ("bandwidth", "big", "Bandwidth 'big' is not"), ("ratio", "half", "Ratio 'half' is not a number"),
        ("force", "maybe", "Force 'maybe' is not true or false"), ("notes", "{", "Notes is not JSON"),
        ("ticket", "", "Ticket: must be given"),
    ])
    func `what is wrong is said of the field`(name: String, text: String, message: String) {
        var compose = ComposeState()
        compose.fill(from: SceneExecutors.run, SceneExecutors.plugin)
        compose[.parameter(name)] = TextField(text)
        let error = #expect(throws: DeployError.self) { try compose.spec() }
        #expect(error?.message.contains(message) == true, "\(error as Any)")
    }

    @Test func `a run of any type is written again, with everything it said`() throws {
        var compose = ComposeState()
        compose.fill(from: SceneExecutors.run, SceneExecutors.plugin)
        #expect(try compose.spec() == SceneExecutors.run.spec)
        #expect(compose.focus == .command)
    }

    @Test func `a run of a plugin that is not known yet is written again once it is`() throws {
        var scene = Scene.live()
        scene.send(.runs([SceneExecutors.run]))
        scene.press("g r d")
        #expect(scene.takeEffects().contains(.loadExecutors))
        #expect(try scene.model.compose.spec() == SceneExecutors.run.spec)
        #expect(scene.model.compose.form(.parameter("waves"))?.parameter.kind == .json)
        scene.send(.executors(SceneExecutors.executors))
        #expect(scene.model.compose.form(.parameter("waves"))?.parameter.kind == .list)
        #expect(scene.model.compose[.parameter("waves")].text == "'bj 1' sh")
        #expect(try scene.model.compose.spec() == SceneExecutors.run.spec)
    }

    @Test func `what a schema no longer has is shown and refused, never dropped`() throws {
        var compose = ComposeState()
        var run = SceneExecutors.run
        run.spec.params["former"] = .string("x")
        compose.fill(from: run, SceneExecutors.plugin)
        #expect(compose[.parameter("former")].text == "\"x\"")
        var fewer = SceneExecutors.plugin
        fewer.parameters.removeAll { $0.name == "notes" }
        compose.adopt(fewer)
        #expect(!compose[.parameter("notes")].scalars.isEmpty && compose.fields.contains(.parameter("notes")))
    }

    @Test func `the type is chosen by arrows or letters, and what was typed for it comes back`() {
        var scene = Self.composing()
        scene.model.compose.focus = .type
        for (keys, type) in [
            ("Right", "mariadb"), ("Right", "release-train"), ("Right", "shell"), ("Left", "release-train"),
            ("s", "shell"), ("m", "mariadb"), ("z", "mariadb"), ("BS", "mariadb"),
        ] {
            scene.press(keys)
            #expect(scene.model.compose.schema.type == type, "\(keys)")
        }
        scene.model.compose[.parameter("max_rows")] = TextField("5")
        scene.press("s m")
        #expect(scene.model.compose[.parameter("max_rows")].text == "5")
        #expect(scene.model.compose[.command].text == "SELECT 1", "the command is the same for all")
        scene.send(.paste("shell"))
        #expect(scene.model.compose.schema.type == "shell")
        scene.send(.paste("nothing"))
        #expect(scene.model.compose.problem?.contains("none of the choices") == true)
    }

    @Test func `words and flags are chosen, or left out`() throws {
        var scene = Self.composing("mariadb")
        scene.model.compose.focus = .parameter("format")
        for (keys, text) in [
            ("Right", "table"), ("Space", "jsonl"), ("Right", ""), ("j", "jsonl"), ("x", "jsonl"), ("BS", ""),
        ] {
            scene.press(keys)
            #expect(scene.model.compose[.parameter("format")].text == text, "\(keys)")
        }
        scene.model.compose.focus = .parameter("backup")
        scene.press("n")
        #expect(try scene.model.compose.spec().params["backup"] == .bool(false))
        scene.press("y")
        #expect(try scene.model.compose.spec().params["backup"] == .bool(true))
    }

    @Test func `datasources are those of the targets, those of all of them first, and others can be typed`() {
        var scene = Self.composing("mariadb")
        scene.model.compose[.target] = TextField("role=db")
        scene.model.compose.focus = .parameter("datasource")
        #expect(FieldChoices.datasources(scene.model) == ["orders", "archive"])
        scene.press("Right")
        #expect(scene.model.compose[.parameter("datasource")].text == "orders")
        scene.press("Right Right")
        #expect(scene.model.compose[.parameter("datasource")].text == "")
        scene.type("own")
        scene.press("Left")
        scene.type("e")
        #expect(scene.model.compose[.parameter("datasource")].text == "owen", "arrows move within a name of one's own")
        scene.press("C-r")
        #expect(
            scene.model.compose.problem?.contains("node-03.bj.example does not know 'owen'; it has: archive, orders")
                == true)
        scene.model.compose[.target] = TextField("")
        #expect(FieldChoices.datasources(scene.model) == ["archive", "orders"], "without a target those of everybody")
    }

    @Test func `a type that a target does not run is refused at the review`() {
        var scene = Self.composing("mariadb")
        scene.model.compose[.target] = TextField("all")
        #expect(scene.rows.contains { $0.contains("not run by node-01.bj.example (8 of 12)") })
        scene.press("C-r")
        #expect(scene.model.screen == .compose)
        #expect(scene.model.compose.problem == "Type: node-01.bj.example does not run tasks of type mariadb")
    }

    @Test func `lines of a command are kept, and more than fits is not taken at all`() throws {
        var scene = Self.composing("mariadb")
        scene.model.compose.write("", into: .command)
        scene.model.compose.focus = .command
        scene.send(.paste("SELECT 1;\r\nSELECT\t2;\rSELECT 3"))
        scene.press("C-o")
        scene.type(";")
        #expect(scene.model.compose[.command].text == "SELECT 1;\nSELECT 2;\nSELECT 3\n;")
        #expect(scene.rows.contains { $0.contains("SELECT 1;\u{23CE}") })
        scene.send(.paste(String(repeating: "x", count: 800_000)))
        #expect(scene.model.compose[.command].text.count == 30)
        #expect(scene.model.compose.problem?.contains("too long") == true)
        scene.press("C-o")
        #expect(scene.model.compose.problem == nil)
        scene.model.compose.focus = .timeout
        scene.press("C-o")
        scene.send(.paste("1\n0"))
        #expect(scene.model.compose[.timeout].text == "1 0", "other fields have one line")
    }

    @Test func `every field of a long form can be reached and seen`() {
        for (columns, rows) in [(80, 24), (60, 16), (120, 40)] {
            var scene = Self.composing("release-train", columns: columns, rows: rows)
            scene.model.compose.focus = .target
            for field in scene.model.compose.fields {
                #expect(scene.model.compose.focus == field)
                let label = String(scene.model.compose.label(field).prefix(10))
                #expect(scene.rows.contains { $0.hasPrefix("  \(label)") }, "\(field) at \(columns)x\(rows)")
                #expect(Frame.draw(scene.model).cursor != nil)
                scene.press("Tab")
            }
            #expect(scene.model.compose.focus == .target, "and round again")
        }
    }

    @Test func `the list of types is asked for when the form is opened, and again on a new link`() {
        var scene = Scene.live()
        scene.press("t")
        #expect(scene.takeEffects() == [.loadExecutors])
        scene.send(.backend(.offline(reason: "gone", attempt: 1, retry: nil)))
        scene.send(.backend(.connected(Scene.server(role: .operator, scope: Scope()))))
        #expect(scene.takeEffects().contains(.loadExecutors))
    }

    /// The form of a type with everything known, and a command.
    private static func composing(_ type: String = "shell", columns: Int = 80, rows: Int = 24) -> Scene {
        var scene = Scene.live(columns: columns, rows: rows)
        scene.send(.agents(SceneExecutors.agents))
        scene.press("t")
        scene.send(.executors(SceneExecutors.executors))
        if let schema = scene.model.executors.schema(of: type) { scene.model.compose.choose(schema) }
        scene.model.compose.write("SELECT 1", into: .command)
        _ = scene.takeEffects()
        return scene
    }
}
