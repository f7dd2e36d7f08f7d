package telemetry

import (
	"database/sql"
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry is a registry with the collectors of the Go runtime, the process and the build. It is the process's own:
// the global default registry is never used, so that a library cannot add to what we show.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return registry
}

// Process is what every process shows of itself.
type Process struct {
	// Service is what it is, Version what it was made from.
	Service, Version string
	// Pool is its connections to Postgres.
	Pool *sql.DB
	// Connected says whether NATS is, Connects how often that connection was made.
	Connected func() bool
	Connects  func() uint64
	// Dir is a folder of its own whose disk must not get full, "" for none, and Disk tells how much room is there and how
	// much there is in all, in bytes.
	Dir  string
	Disk func(dir string) (free, size uint64, err error)
}

// ShowProcess registers the metrics of a process.
func ShowProcess(r prometheus.Registerer, p Process) error {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ashbridge_build_info", Help: "1 for what this process is and was made from.",
		ConstLabels: prometheus.Labels{"service": p.Service, "version": p.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	all := []prometheus.Collector{
		build, collectors.NewDBStatsCollector(p.Pool, "ashbridge"),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ashbridge_nats_connected", Help: "1 while the connection to NATS is there, 0 while it is not.",
		}, func() float64 { return number(p.Connected()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "ashbridge_nats_reconnects_total", Help: "How often the connection to NATS was made again.",
		}, func() float64 { return float64(max(p.Connects(), 1) - 1) }),
	}
	if p.Dir != "" {
		all = append(all, newDisk(p.Dir, p.Disk))
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("registering the process's metrics: %w", err)
		}
	}
	return nil
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// disk shows how full the disk of a folder is, and nothing where that cannot be told.
type disk struct {
	dir        string
	room       func(dir string) (free, size uint64, err error)
	free, size *prometheus.Desc
}

func newDisk(dir string, room func(dir string) (free, size uint64, err error)) disk {
	return disk{
		dir: dir, room: room,
		free: prometheus.NewDesc("ashbridge_disk_free_bytes", "Room on the disk of this process's folder.", []string{"path"}, nil),
		size: prometheus.NewDesc("ashbridge_disk_size_bytes", "Size of the disk of this process's folder.", []string{"path"}, nil),
	}
}

// Describe tells which metrics there are.
func (d disk) Describe(out chan<- *prometheus.Desc) { out <- d.free; out <- d.size }

// Collect looks at the disk.
func (d disk) Collect(out chan<- prometheus.Metric) {
	free, size, err := d.room(d.dir)
	if err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(d.free, prometheus.GaugeValue, float64(free), d.dir)
	out <- prometheus.MustNewConstMetric(d.size, prometheus.GaugeValue, float64(size), d.dir)
}
