/// Horizontal bars: a median each, with the lowest and highest of the rounds.
struct Bars {
    struct Bar {
        let label: String
        let median: Double
        let lowest: Double
        let highest: Double
        let colour: String
    }

    /// What the axis says.
    let axis: String
    let bars: [Bar]

    /// How fast everybody did one subject, the fastest on top; nil where nobody did it.
    init?(_ subject: String, _ section: Results.Section) {
        let of = section.measurements.filter { $0.subject == subject && !$0.samples.isEmpty }
        guard let first = of.first else { return nil }
        let moves = first.bytes != nil
        let unit =
            moves ? (first.files == nil ? "GB/s" : "files/s") : first.unit == "1/s" ? "per second" : "milliseconds"
        axis = unit
        bars = of.map { one in
            func value(_ sample: Double) -> Double {
                one.rate(sample) ?? (first.unit == "s" ? sample * 1000 : sample)
            }
            let ends = [value(one.lowest), value(one.highest)].sorted()
            let median = value(one.median)
            return Bar(
                label: one.label, median: median, lowest: ends[0], highest: ends[1],
                colour: one.peer.hasPrefix("xfer")
                    ? Gnuplot.ours : one.peer == "cp" ? Gnuplot.faint : Gnuplot.others)
        }.sorted { moves || first.unit == "1/s" ? $0.median > $1.median : $0.median < $1.median }
    }

    func draw(_ name: String, _ gnuplot: Gnuplot, places: Int = 2) throws -> String {
        func text(_ bar: Bar) -> String {
            axis == "GB/s" ? Progress.fixed(bar.median, places) : Progress.number(bar.median.rounded())
        }
        let rows = bars.enumerated().map { index, bar in
            "\(bars.count - index) \(bar.median) \(bar.lowest) \(bar.highest) \(bar.colour.replacing("#", with: "0x")) "
                + "\(Gnuplot.quoted(text(bar))) \(Gnuplot.quoted(bar.label))"
        }
        let largest = bars.map(\.highest).max() ?? 1
        return try gnuplot.draw(
            name, height: 58 + 30 * bars.count,
            """
            $bars << END
            \(rows.joined(separator: "\n"))
            END
            set lmargin 34
            set rmargin 3
            set tmargin 0.5
            set xrange [0:\(largest * 1.14)]
            set yrange [0.4:\(Double(bars.count) + 0.6)]
            set xlabel '\(axis)' textcolor rgb '#57606a'
            set xtics format '%g' textcolor rgb '#57606a'
            unset key
            set grid noytics
            set style fill solid 1 noborder
            plot $bars using 2:1:(0):2:($1-0.34):($1+0.34):5:ytic(7) with boxxyerror lc rgb variable, \\
                 $bars using 2:1:3:4 with xerrorbars pt -1 lw 1.6 lc rgb '\(Gnuplot.ink)', \\
                 $bars using 4:1:6 with labels left offset 0.6,0 textcolor rgb '\(Gnuplot.ink)'
            """)
    }
}
