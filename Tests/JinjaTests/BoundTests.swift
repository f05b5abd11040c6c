import ByteIO
import Foundation
import Testing

@testable import Jinja

@Suite("What a template may take, and how it is refused") struct BoundTests {
  private func error(
    _ source: String, _ values: [String: TemplateValue] = [:], limit: Int = Limits.steps
  ) -> JinjaError? {
    do {
      _ = try Template(source, file: "t.jinja").render(values, limit: limit)
      return nil
    } catch { return error as? JinjaError }
  }

  @Test(
    "what is not understood is refused by name, with line and column",
    arguments: [
      ("a\n  {{ x|sparkle }}", "line 2, column 8", "the filter sparkle"),
      ("{{ x is shiny }}", "line 1, column 9", "the test shiny"),
      ("\n\n{% include 'x' %}", "line 3, column 4", "{% include %}"), ("{% frob %}", "line 1, column 4", "{% frob %}"),
      ("{{ 'a'.zfill(3) }}", "line 1, column 13", "text.zfill()"), ("{{ cycler(1) }}", "line 1, column 10", "cycler()"),
      ("{% for a in b recursive %}{% endfor %}", "line 1, column 15", "recursive"),
      ("你好{{ a.b.c }}", "line 1, column 9", "b"), ("{{ '\\N{DASH}' }}", "line 1, column 7", "\\N{…}"),
    ])
  func named(source: String, place: String, words: String) {
    let found = error(source, ["a": .mapping([])])
    #expect(found?.place == place && found?.file == "t.jinja", "\(String(describing: found))")
    #expect(found?.reason.contains(words) == true, "\(found?.reason ?? "nothing")")
  }

  @Test("what is not understood in a branch that is never taken does not matter, as in Jinja")
  func branches() throws {
    #expect(error("{{ x|glitter if x is defined and x is shiny else 1 }}{% if x %}{{ x|glitter }}{% endif %}") == nil)
    #expect(error("{{ x|glitter if x else 1 }}", ["x": .int(1)])?.reason.contains("the filter glitter") == true)
    #expect(error("{% if x %}{% for a in x %}{{ a|glitter }}{% endfor %}{% endif %}")?.place == "line 1, column 32")
  }

  @Test("a template that raises says its own words")
  func raised() {
    let found = error("{{ raise_exception('Only ' ~ 2 ~ ' roles') }}")
    #expect(found?.code == .raised && found?.reason == "Only 2 roles")
  }

  @Test(
    "what does not end, or grows without bound, is refused",
    arguments: [
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x] %}{% endfor %}",
      "{% set n = namespace(x={}) %}{% for i in range(99) %}{% set n.x = {'a': n.x} %}{% endfor %}",
      "{% set n = namespace(x=['abcdefgh']) %}{% for i in range(30) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
      "{% set n = namespace(x=['abcdefgh']) %}{% for i in range(30) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == n.x + [] }}",
      "{{ 'a' * 999999999 }}", "{{ [1] * 999999999 }}", "{{ 'a'|indent(999999999999) }}", "{{ 9 ** 99 }}",
      "{{ 9223372036854775807 + 1 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
      "{{ 99999999999999999999 }}", "{{ ('a' * 999).replace('', 'b' * 999999) }}", "{{ range(9223372036854775807) }}",
      "{{ [1]|tojson(indent=999999999) }}", "{{ 1|round(9223372036854775807) }}",
    ])
  func bounded(source: String) {
    let found = error(source, limit: 200_000)
    #expect(found?.code == .limit || found?.code == .unsupported, "\(String(describing: found))")
  }

  @Test(
    "what lies deep in itself is refused before the stack ends",
    arguments: [("(", ")"), ("[", "]"), ("{'a':", "}"), ("-", ""), ("not ", ""), ("1 if t else ", "")])
  func nested(open: String, close: String) {
    let count = 5000
    let deep = String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
    #expect(error("{{ " + deep + " }}")?.code == .limit)
    #expect(error(String(repeating: "{% if t %}", count: count))?.code == .limit)
  }

  @Test("long chains are not deep")
  func chains() throws {
    for (part, expected) in [(" + 1", "2001"), ("|abs", "1"), (" and 1", "1"), (" ~ ''", "1"), (" == 1", "True")] {
      let source = "{{ 1" + String(repeating: part, count: 2000) + " }}"
      #expect(try Template(source).render([:]) == expected)
    }
  }

  @Test("a part of a text is found in little time, however often it almost is there")
  func search() throws {
    let long = String(repeating: "a", count: 200_000)
    let source = "{{ (x ~ 'b') in x }}{{ x.count('aab') }}{{ (x ~ 'c').split(x)|length }}"
    #expect(try Template(source).render(["x": .text(long)]) == "False02")
  }

  @Test("nothing is let contain itself, and nothing changes")
  func immutable() {
    let chain =
      "{% set n = namespace(x=none) %}{% for i in range(20000) %}{% set n.x = namespace(x=n.x) %}{% endfor %}{{ 1 }}"
    #expect(error(chain) == nil)
    let circle = "{% set n = namespace() %}{% set n.x = [n] %}{{ n.x == n.x }}{{ n.x[0].x[0].x|length }}"
    #expect(error(circle) == nil)
    #expect(error(circle + "{{ n.x }}")?.code == .unsupported)
    #expect(error(circle + "{{ n.x|tojson }}")?.code == .value)
    #expect(error("{% macro m() %}{% endmacro %}{{ [m] }}")?.code == .unsupported)
    #expect(error("{% set l = [] %}{{ l.append(1) }}")?.reason.contains("not let") == true)
    #expect(error(String(repeating: "a", count: 1 << 20 + 1))?.code == .limit)
  }

  @Test("the time is told in the format that is asked for")
  func time() throws {
    let source = "{{ strftime_now('%Y-%m-%d') }}|{{ strftime_now('%d %b %Y %H:%M%%') }}|{{ strftime_now('%f%z') }}"
    let noon = try #require(
      Calendar.current.date(from: DateComponents(year: 2024, month: 7, day: 26, hour: 12, minute: 5)))
    #expect(try Template(source).render([:], now: noon) == "2024-07-26|26 Jul 2024 12:05%|000000")
  }
}
