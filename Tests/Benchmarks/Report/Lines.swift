/// Lines over an axis with a few places, each as far from the next: 1 MB, 16 MB, 128 MB; 1 ms, 20 ms, 100 ms.
struct Lines {
    struct Line {
        let label: String
        let points: [(x: Double, y: Double)]
    }

    let horizontal: String
    let vertical: String
    let lines: [Line]
    /// Whether the vertical axis is logarithmic: for what differs by more than a picture can show.
    var isLogarithmic = false
    /// What stands below a place.
    let place: (Double) -> String

    func draw(_ name: String, _ gnuplot: Gnuplot) throws -> String? {
        let places = Set(lines.flatMap { $0.points.map(\.x) }).sorted()
        guard places.count > 1 else { return nil }
        let blocks = lines.enumerated().map { index, line in
            let rows = line.points.map { point in
                "\(places.firstIndex(of: point.x) ?? 0) \(point.y)"
            }
            return "$line\(index) << END\n\(rows.joined(separator: "\n"))\nEND"
        }
        let tics = places.enumerated().map { "\(Gnuplot.quoted(place($1))) \($0)" }.joined(separator: ", ")
        let plots = lines.enumerated().map { index, line in
            let colour = Gnuplot.lines[index % Gnuplot.lines.count]
            return "$line\(index) using 1:2 with linespoints lw 2.4 pt 7 ps 0.7 lc rgb '\(colour)' "
                + "title \(Gnuplot.quoted(line.label))"
        }
        return try gnuplot.draw(
            name, height: 380,
            """
            \(blocks.joined(separator: "\n"))
            set lmargin 9
            set rmargin 3
            set xrange [-0.2:\(Double(places.count) - 0.8)]
            \(isLogarithmic ? "set logscale y" : "set yrange [0:*]")
            set xtics (\(tics)) textcolor rgb '#57606a'
            set ytics format '%g' textcolor rgb '#57606a'
            set xlabel \(Gnuplot.quoted(horizontal)) textcolor rgb '#57606a'
            set ylabel \(Gnuplot.quoted(vertical)) textcolor rgb '#57606a'
            set key outside top left horizontal Left reverse samplen 2 textcolor rgb '\(Gnuplot.ink)'
            plot \(plots.joined(separator: ", \\\n     "))
            """)
    }
}
