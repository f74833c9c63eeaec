// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Reasons of errors, beside those of package envelope.
const (
	ReasonTopicMissing    = "topic_missing"   // it does not exist: made never, or deleted
	ReasonTopicRecreated  = "topic_recreated" // it was deleted and made anew
	ReasonTopicShape      = "topic_shape"     // not one partition, or compacted
	ReasonLogTruncated    = "log_truncated"   // the broker no longer has what it had
	ReasonUnreachable     = "broker_unreachable"
	ReasonNotAuthorized   = "not_authorized"
	ReasonPublishRefused  = "publish_refused" // the broker will not take a record, now or later
	ReasonPublisherClosed = "publisher_closed"
)

// Settings are those of the topics.
type Settings struct {
	// Retention is how long records stay at the broker. A reader or publisher that is away for longer cannot go on. Names travel in
	// clear, so an erased name is gone from the topics after this time.
	Retention time.Duration
	// ReplicasMax bounds the copies of a topic; there are never more than brokers.
	ReplicasMax int
}

// DefaultSettings keep a week in three copies.
func DefaultSettings() Settings { return Settings{Retention: 7 * 24 * time.Hour, ReplicasMax: 3} }

// topicMessageBytes is what a broker takes as one batch: a record of the greatest size, and room around it.
const topicMessageBytes = envelope.RecordBytesMax + 64<<10

// copies is how many copies a topic has, and how many must have a record before it is acknowledged. With two or three copies one
// broker may be lost without losing an acknowledged record; with three, sync even goes on without it.
func (s *Settings) copies(brokers int) (replicas, insync int) {
	replicas = max(1, min(s.ReplicasMax, brokers))
	return replicas, min(replicas, 2)
}

func (s *Settings) configs(insync int) map[string]string {
	return map[string]string{
		"cleanup.policy":      "delete",
		"retention.ms":        strconv.FormatInt(s.Retention.Milliseconds(), 10),
		"retention.bytes":     "-1",
		"max.message.bytes":   strconv.Itoa(topicMessageBytes),
		"min.insync.replicas": strconv.Itoa(insync),
	}
}

// Init makes the topics of both directions, with those of their dead letters, and sets what differs on those that exist. It may be
// called any number of times. It changes neither the number of partitions nor of copies: Conflict, topic_shape, if a topic has more
// than one partition.
func Init(ctx context.Context, c Config, s Settings) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return brokerError(err, c.topicNames(envelope.V10)[0])
	}
	replicas, insync := s.copies(len(brokers))
	for _, origin := range []envelope.Origin{envelope.V10, envelope.V11} {
		if err := c.initDirection(ctx, admin, origin, replicas, s.configs(insync)); err != nil {
			return err
		}
	}
	return nil
}

// Topics are the names of all topics that the brokers have, whoever made them, but those of the brokers' own.
func Topics(ctx context.Context, c Config) ([]string, error) {
	client, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return nil, unreachable(err)
	}
	return found.Names(), nil
}

// Remove deletes the topics of both directions, with all that is in them. Those that are not there are nothing.
func Remove(ctx context.Context, c Config) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	var names []string
	for _, origin := range []envelope.Origin{envelope.V10, envelope.V11} {
		names = append(append(names, c.topicNames(origin)...), c.LetterTopic(origin))
	}
	gone, err := kadm.NewClient(client).DeleteTopics(ctx, names...)
	if err != nil {
		return unreachable(err)
	}
	for _, topic := range gone {
		if topic.Err != nil && !errors.Is(topic.Err, kerr.UnknownTopicOrPartition) {
			return fault.Wrap(fault.Unavailable, topic.Err, "topic %s cannot be deleted: %s", topic.Topic, topic.ErrMessage)
		}
	}
	return nil
}

func (c *Config) initDirection(ctx context.Context, admin *kadm.Client, origin envelope.Origin, replicas int, configs map[string]string) error {
	values := map[string]*string{}
	alter := make([]kadm.AlterConfig, 0, len(configs))
	for name, value := range configs {
		values[name] = &value
		alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	names := append(c.topicNames(origin), c.LetterTopic(origin))
	made, err := admin.CreateTopics(ctx, 1, int16(replicas), values, names...)
	if err != nil {
		return unreachable(err)
	}
	for _, topic := range made {
		if topic.Err != nil && !errors.Is(topic.Err, kerr.TopicAlreadyExists) {
			return fault.Wrap(fault.Unavailable, topic.Err, "topic %s cannot be made: %s", topic.Topic, topic.ErrMessage)
		}
	}
	if err := c.appeared(ctx, admin, origin); err != nil {
		return err
	}
	set, err := admin.AlterTopicConfigs(ctx, alter, names...)
	if err != nil {
		return unreachable(err)
	}
	for _, topic := range set {
		if topic.Err != nil {
			return fault.Wrap(fault.Unavailable, topic.Err, "the settings of topic %s cannot be set: %s", topic.Name, topic.ErrMessage)
		}
	}
	return nil
}

// appeared waits until the brokers know the topics that were made: whoever is asked may hear of them later than the one that made them.
func (c *Config) appeared(ctx context.Context, admin *kadm.Client, origin envelope.Origin) error {
	for {
		_, err := c.topicsOf(ctx, admin, origin)
		if fault.ReasonOf(err) != ReasonTopicMissing {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(backoffMin):
		}
	}
}

func (c *Config) topicNames(origin envelope.Origin) []string {
	var names []string
	for _, t := range envelope.Topics() {
		names = append(names, c.topic(t, origin))
	}
	return names
}

// topicIDs are what the brokers tell topics of one name apart by.
type topicIDs [envelope.TopicCount]kadm.TopicID

// topicsOf finds a direction's topics. NotFound, topic_missing; Conflict, topic_shape; Unavailable, broker_unreachable.
func (c *Config) topicsOf(ctx context.Context, admin *kadm.Client, origin envelope.Origin) (ids topicIDs, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found, err := admin.ListTopics(ctx, c.topicNames(origin)...)
	if err != nil {
		return ids, brokerError(err, c.topicNames(origin)[0])
	}
	for _, t := range envelope.Topics() {
		detail, there := found[c.topic(t, origin)]
		switch {
		case !there || errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
			return ids, missing(c.topic(t, origin))
		case detail.Err != nil:
			return ids, brokerError(detail.Err, c.topic(t, origin))
		case len(detail.Partitions) != 1:
			return ids, fault.Reasoned(fault.Conflict, ReasonTopicShape,
				"topic %s has %d partitions, and order needs one: delete it, and make it with: aurigraph sync init", c.topic(t, origin), len(detail.Partitions))
		}
		ids[t] = detail.ID
	}
	return ids, nil
}

// sameTopics asks whether the topics are still those of ids.
func (c *Config) sameTopics(ctx context.Context, client *kgo.Client, origin envelope.Origin, ids topicIDs) error {
	now, err := c.topicsOf(ctx, kadm.NewClient(client), origin)
	if err != nil {
		return err
	}
	for _, t := range envelope.Topics() {
		if now[t] != ids[t] {
			return recreated(c.topic(t, origin))
		}
	}
	return nil
}

func missing(topic string) error {
	return fault.Reasoned(fault.NotFound, ReasonTopicMissing,
		"topic %s does not exist. If it was deleted, what the reader had not read is gone, and it will stop at the gap; make topics with: aurigraph sync init", topic)
}

func recreated(topic string) error {
	return fault.Reasoned(fault.Conflict, ReasonTopicRecreated, "topic %s was deleted and made anew while it was in use", topic)
}

func unreachable(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonUnreachable, Text: "no Kafka broker answers", Cause: err}
}

// brokerError gives an answer of a broker its reason.
func brokerError(err error, topic string) error {
	var loss *kgo.ErrDataLoss
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return missing(topic)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return recreated(topic)
	case errors.Is(err, kerr.OffsetOutOfRange), errors.As(err, &loss):
		return &fault.Error{Kind: fault.Conflict, Reason: ReasonLogTruncated, Text: "topic " + topic + " no longer has what it had", Cause: err}
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.SaslAuthenticationFailed):
		return &fault.Error{Kind: fault.Denied, Reason: ReasonNotAuthorized, Text: "the brokers do not let us use topic " + topic, Cause: err}
	}
	return unreachable(err)
}
