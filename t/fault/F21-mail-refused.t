#!/usr/bin/perl

# One mail of many is refused for good: its row says so and is not tried again,
# all the others go.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Outbox;
use Portal::Test;

my $p = portal();

for my $code (550, 554) {
    my ($bad, @good) = map { address() } 1 .. 4;
    $p->mail_fault("$code $bad");
    my %ids = map { $_ => queue_mail($_) } $good[0], $bad, @good[1, 2];
    becomes($ids{$bad}, 'failed', "$code: given up", detail => qr/^smtp $code$/);
    becomes($ids{$_}, 'sent', "$code: another goes") for @good;
    is scalar(received($bad)), 0, "$code: not received";
    is scalar(my @said = log_lines(qr/\[error\].*mail $ids{$bad}: failed \(smtp $code\)/)), 1,
        "$code: said in the log, once";
    due();
    # whatever is due goes before what comes after it
    becomes(queue_mail(address()), 'sent', "$code: what comes later goes");
    is row($ids{$bad})->{attempts}, 1, "$code: and it was not tried again";
    $p->mail_fault(undef);
}

# one among many, in the middle of the queue
my $many = long(200, 1000);
my $bad = 'personne.77@exemple.fr';
my $failed = metrics()->{'portal_mail_deliveries_total{outcome="failed"}'} // 0;
$p->mail_fault("550 $bad");
$p->psql("insert into portal.outbox (tenant, recipient, template, data, message_id)
    select t.id, 'personne.' || n || '\@exemple.fr', 'account_exists', '{}', gen_random_uuid() || '\@saint-aubin.example'
      from portal.town t, generate_series(1, $many) n where t.slug = 'saint-aubin'");
my $states = sub { join ' ', map { "$_->[0] $_->[1]" } $p->psql("select state, count(*) from portal.outbox
    where recipient like 'personne.%' group by 1 order by 1") };
my $want = "failed 1 sent @{[ $many - 1 ]}";
wait_for(200, sub { $states->() eq $want });
is $states->(), $want, "of $many mails one has failed";
is $p->psql("select string_agg(recipient || ' ' || attempts || ' ' || detail, ',') from portal.outbox
    where recipient like 'personne.%' and state = 'failed'"), "$bad 1 smtp 550", 'the one that was refused';
is $p->psql("select count(*) from portal.outbox where recipient like 'personne.%' and attempts <> 1"), 0,
    'each was tried once';
is scalar(grep { ($_->{to} // '') =~ /^personne\./ } Portal::Mail->all($p->mail_dir)), $many - 1, 'and came once';
ok wait_for(20, sub { (metrics()->{'portal_mail_deliveries_total{outcome="failed"}'} // 0) - $failed == 1 }),
    'an operator sees it';

# a node that has not yet what an upgrade brings, a mail's template say, gives none up
my $new = queue_mail(address(), template => 'of_tomorrow');
becomes($new, 'queued', 'a mail that this node cannot write waits', attempts => 1, detail => qr/^render$/);
$p->psql("update portal.outbox set template = 'account_exists' where id = '$new'");
due();
becomes($new, 'sent', 'and goes once it can');

done_testing;
