// How a page looks: one sheet, light and dark, on a screen of any width and on paper. Colours are a table of pairs, so that
// none is forgotten in one of the schemes; on paper they are the light ones.

/// The sheet of all pages.
enum Stylesheet {
  /// A colour that means something, in both schemes, and where it is used.
  private struct Colour {
    let selector: String
    let property: String
    let light: String
    let dark: String
  }

  /// How many series have a colour of their own.
  static let seriesCount = 8

  // Series differ in lightness as well as in hue; text on its ground has a contrast of at least 4.5.
  private static let colours: [Colour] = [
    Colour(selector: "html", property: "background", light: "#ffffff", dark: "#14171c"),
    Colour(selector: "html", property: "color", light: "#1b1f27", dark: "#e6e9ee"),
    Colour(selector: ".card,pre,td code,.facts,.note", property: "background", light: "#f5f6f8", dark: "#1e232b"),
    Colour(selector: ".muted,figcaption small,.axis,.label small,.xs,.ys,th,dt,.lead,footer", property: "color",
      light: "#59616f", dark: "#a2abb9"),
    Colour(selector: "td,th,h2,footer", property: "border-color", light: "#d8dce3", dark: "#363d49"),
    Colour(selector: ".grid", property: "stroke", light: "#dfe3e9", dark: "#313843"),
    Colour(selector: ".track", property: "fill", light: "#eceef2", dark: "#262c35"),
    Colour(selector: ".s0", property: "color", light: "#2563c9", dark: "#6ea8fe"),
    Colour(selector: ".s1", property: "color", light: "#c2570c", dark: "#f59e5b"),
    Colour(selector: ".s2", property: "color", light: "#0b7d55", dark: "#4cc38a"),
    Colour(selector: ".s3", property: "color", light: "#a8257a", dark: "#f07ab8"),
    Colour(selector: ".s4", property: "color", light: "#6d44c4", dark: "#a996f7"),
    Colour(selector: ".s5", property: "color", light: "#0d7490", dark: "#4cc0dd"),
    Colour(selector: ".s6", property: "color", light: "#866900", dark: "#e0bd3f"),
    Colour(selector: ".s7", property: "color", light: "#596070", dark: "#a6adbb"),
    Colour(selector: ".warning", property: "border-color", light: "#c2570c", dark: "#f59e5b"),
  ]

  private static let base = """
    *{box-sizing:border-box}
    html{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC","PingFang SC",\
    "Microsoft YaHei",sans-serif;-webkit-text-size-adjust:100%}
    body{margin:0}
    main{max-width:1180px;margin:0 auto;padding:28px 24px 40px}
    h1{font-size:1.7rem;line-height:1.25;margin:0 0 6px;overflow-wrap:anywhere;font-weight:650}
    h2{font-size:1.15rem;margin:40px 0 14px;padding-top:14px;border-top:1px solid;font-weight:650}
    p{margin:0 0 10px;overflow-wrap:anywhere}
    .kind{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;font-weight:600;margin:0 0 4px}
    .lead{margin:0}
    .muted{font-size:.875rem}
    code,pre,.name{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.86em}
    .name{overflow-wrap:anywhere}
    pre{margin:0;padding:12px 14px;border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6}
    td code{padding:1px 5px;border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere}
    .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,164px),1fr));gap:12px;margin:22px 0 0;padding:0}
    .card{border-radius:10px;padding:12px 14px;min-width:0}
    .card b{display:block;font-size:1.4rem;line-height:1.3;font-weight:650;overflow-wrap:anywhere}
    .card span{display:block}
    .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:26px 34px}
    .pair>*{min-width:0}
    figure{margin:0 0 8px;min-width:0}
    figcaption{font-weight:600;margin:0 0 8px;overflow-wrap:anywhere}
    figcaption small{font-weight:400;font-size:.8rem;display:block}
    .legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:0 0 10px;padding:0;font-size:.8rem}
    .legend li{display:flex;align-items:center;gap:6px;min-width:0}
    .legend svg{width:18px;height:10px;flex:none;display:block}
    .legend .name{font-size:.95em}
    .frame{display:grid;grid-template-columns:auto minmax(0,1fr);column-gap:8px;row-gap:4px;padding:8px 6px 0 0}
    .ys,.xs{position:relative;font-size:.75rem;line-height:1;font-variant-numeric:tabular-nums}
    .ys span{position:absolute;right:0;transform:translateY(50%);white-space:nowrap}
    .xs{grid-column:2;height:1em;margin-top:3px}
    .xs span{position:absolute;transform:translateX(-50%);white-space:nowrap}
    .xs .a{transform:none}
    .xs .z{transform:translateX(-100%)}
    .area{display:block;width:100%;height:230px;overflow:hidden}
    .area.low{height:170px}
    .axis{grid-column:2;font-size:.75rem;text-align:center;margin:2px 0 0}
    .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round;\
    vector-effect:non-scaling-stroke}
    .dot{fill:none;stroke:currentColor;stroke-width:5.5;stroke-linecap:round;vector-effect:non-scaling-stroke}
    .d1,.d5{stroke-dasharray:6 4}
    .d2,.d6{stroke-dasharray:2 4}
    .d3,.d7{stroke-dasharray:9 3 2 3}
    .grid{stroke-width:1;vector-effect:non-scaling-stroke;fill:none}
    .fill{fill:currentColor}
    .soft{fill:currentColor;opacity:.28}
    .rows{display:grid;align-items:stretch;font-size:.75rem;font-variant-numeric:tabular-nums}
    .rows span{display:flex;align-items:center;justify-content:flex-end;min-width:0;overflow-wrap:anywhere;text-align:right}
    .bars{list-style:none;margin:0;padding:0}
    .bars li{display:grid;grid-template-columns:minmax(0,17rem) minmax(0,1fr) 10.5rem;gap:2px 14px;align-items:center;padding:4px 0}
    .bars svg{display:block;width:100%;height:16px;border-radius:3px}
    .bars .value{font-size:.82rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
    .bars .label{font-size:.82rem;min-width:0;overflow-wrap:anywhere}
    .label small{display:block}
    table{border-collapse:collapse;width:100%;font-size:.86rem}
    th{font-weight:600;text-align:left;font-size:.78rem}
    td,th{padding:6px 12px 6px 0;border-bottom:1px solid;vertical-align:baseline;overflow-wrap:anywhere}
    .n{text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:normal}
    .facts{display:grid;grid-template-columns:minmax(0,11rem) minmax(0,1fr);gap:6px 16px;margin:0;padding:14px;\
    border-radius:8px;font-size:.86rem}
    dt,dd{margin:0;overflow-wrap:anywhere}
    .note{border-left:4px solid;border-radius:4px;padding:10px 14px;margin:14px 0;font-size:.88rem}
    .note p:last-child{margin:0}
    footer{margin-top:44px;border-top:1px solid;padding-top:12px;font-size:.8rem}
    @media (max-width:640px){
    main{padding:20px 16px 32px}
    h1{font-size:1.35rem}
    .tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
    .card b{font-size:1.15rem}
    .bars li{grid-template-columns:minmax(0,1fr) auto}
    .bars .label{grid-column:1/-1}
    .facts{grid-template-columns:minmax(0,1fr)}
    dd{margin-bottom:6px}
    thead{display:none}
    tr{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);border-bottom:1px solid;padding:8px 0}
    tr,td{border-color:inherit}
    td,td.n{display:block;border:0;padding:2px 8px 2px 0;text-align:left;min-width:0}
    td:first-child{grid-column:1/-1}
    td.wide{grid-column:1/-1}
    td::before{content:attr(data-l);display:block;font-size:.7rem;opacity:.75}
    td:first-child::before{display:none}
    .area{height:190px}
    .area.low{height:130px}
    .frame.heat{column-gap:6px}
    }
    @media print{
    html{font-size:11pt}
    main{max-width:none;padding:0}
    figure,.card,tr,.bars li{break-inside:avoid}
    h2{break-after:avoid}
    .card,pre,.facts,.note{border:1px solid #bbb}
    *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
    }
    @page{margin:16mm}
    """

  /// The sheet.
  static let text: Markup = {
    let rules = { (dark: Bool) in
      colours.map { "\($0.selector){\($0.property):\(dark ? $0.dark : $0.light)}" }.joined(separator: "\n")
    }
    // Ours from the first letter to the last: there is nothing in it to escape.
    return Markup(
      stringLiteral: rules(false) + "\n" + base + "\n@media screen and (prefers-color-scheme:dark){\n" + rules(true)
        + "\n}\n")
  }()
}
