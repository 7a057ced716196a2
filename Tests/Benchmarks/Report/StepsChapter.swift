/// Where the time of a copy goes.
extension Report {
    func steps(_ section: Results.Section, _ gnuplot: Gnuplot) throws -> [String] {
        guard let summary = StepsSummary(section) else { return [] }
        let steps = section.measurements.filter { $0.subject == "steps" }
        let shown = steps.enumerated().map { index, step in
            (
                label: step.label, value: step.median,
                colour: Gnuplot.lines[index % Gnuplot.lines.count]
            )
        }
        let text = """
            Processor seconds for each GB of the steps of a copy, each measured for itself in the user record layer. They \
            add up to \(Progress.fixed(summary.sum, 2)) s, so \(section.machine.processors) processors can move a GB in \
            \(Progress.fixed(summary.limit, 2)) s at best. The bars below are what both ends of a copy took together; what \
            is beyond the sum are the calls between the steps, and waiting.
            """
        let rows = summary.copies.map {
            [
                $0.label, Progress.fixed($0.processor, 3), Progress.fixed($0.elapsed, 3),
                Progress.fixed($0.share * 100, 0) + " %",
            ]
        }
        return [
            Page.heading("Where the time goes"), Page.machine(section),
            Page.chapter(
                "Processor seconds for each GB", text,
                try Stack(steps: shown, totals: summary.copies.map { ($0.label, $0.processor) })
                    .draw("steps", gnuplot),
                Page.table(steps)
                    + Page.table(
                        [["", "processor s/GB", "elapsed s/GB", "of the limit"]] + rows)),
            Page.targets(section.targets),
        ]
    }
}

/// One bar of many parts, and bars of one part below it.
struct Stack {
    let steps: [(label: String, value: Double, colour: String)]
    let totals: [(label: String, value: Double)]

    func draw(_ name: String, _ gnuplot: Gnuplot) throws -> String {
        let count = totals.count + 1
        var commands: [String] = []
        var left = 0.0
        for (index, step) in steps.enumerated() {
            commands.append(
                """
                set object \(index + 1) rectangle from \(left),\(Double(count) - 0.34) to \(left + step.value),\
                \(Double(count) + 0.34) fillcolor rgb '\(step.colour)' fillstyle solid 1 noborder
                """)
            left += step.value
        }
        let largest = ([left] + totals.map(\.value)).max() ?? 1
        let rows = totals.enumerated().map { index, total in
            "\(count - 1 - index) \(total.value) \(Gnuplot.quoted(total.label)) "
                + Gnuplot.quoted(Progress.fixed(total.value, 2))
        }
        let keys = steps.map { "NaN with boxes lc rgb '\($0.colour)' title \(Gnuplot.quoted($0.label))" }
        return try gnuplot.draw(
            name, height: 110 + 34 * count,
            """
            $totals << END
            \(rows.joined(separator: "\n"))
            END
            \(commands.joined(separator: "\n"))
            set label 1 \(Gnuplot.quoted("sum of the steps ")) at graph 0,first \(count) right offset -0.8,0 textcolor rgb '\(Gnuplot.ink)'
            set label 2 \(Gnuplot.quoted(Progress.fixed(left, 2))) at \(left),\(count) left offset 0.6,0 textcolor rgb '\(Gnuplot.ink)'
            set lmargin 18
            set rmargin 3
            set tmargin 3
            set xrange [0:\(largest * 1.14)]
            set yrange [0.4:\(Double(count) + 0.6)]
            set xlabel 'processor seconds for each GB' textcolor rgb '#57606a'
            set key above left maxrows 1 samplen 1.5 width -1
            set grid noytics
            set style fill solid 1 noborder
            plot $totals using 2:1:(0):2:($1-0.34):($1+0.34):ytic(3) with boxxyerror lc rgb '\(Gnuplot.ours)' notitle, \\
                 $totals using 2:1:4 with labels left offset 0.6,0 textcolor rgb '\(Gnuplot.ink)' notitle, \\
                 \(keys.joined(separator: ", \\\n     "))
            """)
    }
}
